#include "server/rim/parameters_convert.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "model/checksum.h"
#include "model/digest.h"
#include "model/field_error.h"
#include "model/published.h"
#include "model/status_macros.h"
#include "server/rim/convert.h"

namespace trimtab {
namespace {

constexpr uint64_t kMaxNumber = uint64_t{1} << 62;
constexpr size_t kMaxHolder = 64;
constexpr size_t kMaxName = 256;
constexpr size_t kDigestLength = 64;
constexpr size_t kChecksumLength = 32;
constexpr int kMaxExtents = 8;
constexpr int kMaxTensors = 65536;

absl::Status CheckNumber(absl::string_view field, uint64_t value, uint64_t low, uint64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return InvalidField(field, absl::StrCat("is ", value, "; expected ", low, " to ", high));
}

absl::Status CheckHex(absl::string_view field, absl::string_view text, size_t length) {
  if (IsHex(text, length)) return absl::OkStatus();
  return InvalidField(field,
                      absl::StrCat("has ", text.size(), " characters; expected ", length, " lower-case hex digits"));
}

absl::StatusOr<DType> TypeFromProto(const std::string& field, v1::TensorType type) {
  if (type == v1::TENSOR_TYPE_F32) return DType::kF32;
  if (type == v1::TENSOR_TYPE_BF16) return DType::kBF16;
  return InvalidField(field, absl::StrCat("is ", static_cast<int>(type), "; expected F32 or BF16"));
}

absl::StatusOr<TensorEncoding> EncodingFromProto(const std::string& field, v1::TensorEncoding encoding) {
  if (encoding == v1::TENSOR_ENCODING_RAW) return TensorEncoding::kRaw;
  if (encoding == v1::TENSOR_ENCODING_DELTA) return TensorEncoding::kDelta;
  return InvalidField(field, absl::StrCat("is ", static_cast<int>(encoding), "; expected RAW or DELTA"));
}

absl::StatusOr<TensorManifest> TensorFromProto(const std::string& field, const v1::TensorManifest& message) {
  if (message.name().size() > kMaxName || message.reward().size() > kMaxName) {
    return InvalidField(field + ".name", absl::StrCat("is too long; at most ", kMaxName, " bytes are accepted"));
  }
  if (message.shape_size() > kMaxExtents) {
    return InvalidField(field + ".shape",
                        absl::StrCat("has ", message.shape_size(), " extents; at most ", kMaxExtents, " are accepted"));
  }
  RETURN_IF_ERROR(CheckHex(field + ".checksum", message.checksum(), kChecksumLength));
  TensorManifest tensor;
  tensor.name = message.name();
  tensor.reward = message.reward();
  tensor.shape.assign(message.shape().begin(), message.shape().end());
  tensor.encoded_bytes = message.encoded_bytes();
  tensor.checksum = message.checksum();
  ASSIGN_OR_RETURN(tensor.dtype, TypeFromProto(field + ".type", message.type()));
  ASSIGN_OR_RETURN(tensor.encoding, EncodingFromProto(field + ".encoding", message.encoding()));
  return tensor;
}

}  // namespace

absl::StatusOr<LeaseName> LeaseFromProto(const v1::Lease& lease) {
  const std::string& holder = lease.holder();
  const bool plain = std::all_of(holder.begin(), holder.end(),
                                 [](char c) { return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-'; });
  if (holder.empty() || holder.size() > kMaxHolder || !plain) {
    return InvalidField("begin.lease.holder",
                        absl::StrCat("is no name; expected 1 to ", kMaxHolder, " characters of [A-Za-z0-9._-]"));
  }
  RETURN_IF_ERROR(CheckNumber("begin.lease.epoch", lease.epoch(), 1, kMaxNumber));
  return LeaseName{holder, lease.epoch()};
}

absl::StatusOr<Manifest> ManifestFromProto(const v1::Begin& begin) {
  const v1::ParameterVersion& version = begin.version();
  RETURN_IF_ERROR(CheckNumber("begin.version.epoch", version.epoch(), 0, begin.lease().epoch()));
  RETURN_IF_ERROR(CheckNumber("begin.version.sequence", version.sequence(), 1, kMaxNumber));
  RETURN_IF_ERROR(CheckHex("begin.version.digest", version.digest(), kDigestLength));
  RETURN_IF_ERROR(CheckHex("begin.expected_parent", begin.expected_parent(), kDigestLength));
  RETURN_IF_ERROR(CheckNumber("begin.tensors", begin.tensors_size(), 1, kMaxTensors));
  Manifest manifest;
  manifest.version = {version.epoch(), version.sequence(), version.digest()};
  manifest.expected_parent = begin.expected_parent();
  for (int i = 0; i < begin.tensors_size(); ++i) {
    ASSIGN_OR_RETURN(TensorManifest tensor, TensorFromProto(absl::StrCat("begin.tensors[", i, "]"), begin.tensors(i)));
    manifest.tensors.push_back(std::move(tensor));
  }
  return manifest;
}

absl::Status CheckChunk(const v1::Chunk& chunk) {
  return CheckNumber("chunk.data", chunk.data().size(), 1, kMaxChunkBytes);
}

absl::Status CheckActivate(const v1::ActivateRequest& request) {
  if (request.digest().empty() != request.has_sequence()) {
    return InvalidField("digest", "and sequence: expected exactly one of the two");
  }
  return request.has_sequence() ? absl::OkStatus() : CheckHex("digest", request.digest(), kDigestLength);
}

v1::Committed CommittedToProto(const ParameterUpdates::Outcome& outcome) {
  v1::Committed message;
  *message.mutable_version() = VersionToProto(outcome.version);
  message.set_durable(outcome.durable);
  return message;
}

void HeldToProto(const ParameterUpdates::Held& held, v1::ListVersionsResponse* response) {
  *response->mutable_active() = VersionToProto(held.active);
  for (const ParameterUpdates::Outcome& outcome : held.versions) {
    v1::HeldVersion* version = response->add_versions();
    *version->mutable_version() = VersionToProto(outcome.version);
    version->set_durable(outcome.durable);
  }
  response->mutable_lease()->set_holder(held.lease.holder);
  response->mutable_lease()->set_epoch(held.lease.epoch);
  response->set_lease_alive(held.lease_alive);
  const auto milliseconds = held.lease_timeout.count();
  response->mutable_lease_timeout()->set_seconds(milliseconds / 1000);
  response->mutable_lease_timeout()->set_nanos(static_cast<int32_t>(milliseconds % 1000 * 1'000'000));
  response->set_highest_sequence(held.highest_sequence);
}

absl::StatusOr<v1::Begin> DescribeVersion(const Checkpoint& checkpoint) {
  v1::Begin begin;
  *begin.mutable_version() = VersionToProto(checkpoint.version());
  for (const PublishedTensor& place : PublishedTensors(checkpoint)) {
    const Tensor& tensor = place.In(checkpoint);
    if (tensor.dtype != DType::kF32 && tensor.dtype != DType::kBF16) {
      return absl::FailedPreconditionError("the version has tensors in F16, which are not published");
    }
    v1::TensorManifest* message = begin.add_tensors();
    message->set_name(place.SpecIn(checkpoint).name);
    message->set_reward(place.reward);
    message->set_type(tensor.dtype == DType::kF32 ? v1::TENSOR_TYPE_F32 : v1::TENSOR_TYPE_BF16);
    message->mutable_shape()->Assign(tensor.shape.begin(), tensor.shape.end());
    message->set_encoding(v1::TENSOR_ENCODING_RAW);
    message->set_encoded_bytes(tensor.bytes.size());
    message->set_checksum(ContentChecksum(tensor.bytes));
  }
  return begin;
}

}  // namespace trimtab
