#include "server/staging.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/checksum.h"
#include "model/delta.h"
#include "model/field_error.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

constexpr size_t kMaxMissingNamed = 8;

std::string FieldName(size_t tensor, absl::string_view field) {
  return absl::StrCat("begin.tensors[", tensor, "].", field);
}

std::string NameOf(const TensorManifest& tensor) { return PublishedName(tensor.name, tensor.reward); }

int ElementBytes(DType dtype) { return dtype == DType::kF32 ? 4 : 2; }

uint64_t Elements(const TensorSpec& spec) {
  uint64_t elements = 1;
  for (const int64_t extent : spec.shape) elements *= static_cast<uint64_t>(extent);
  return elements;
}

absl::Status CheckSize(size_t i, const TensorManifest& sent, uint64_t elements) {
  const uint64_t raw = elements * ElementBytes(sent.dtype);
  if (sent.encoding == TensorEncoding::kRaw && sent.encoded_bytes == raw) return absl::OkStatus();
  const uint64_t most = MaxDeltaBytes(elements, ElementBytes(sent.dtype));
  if (sent.encoding == TensorEncoding::kDelta && sent.encoded_bytes >= 1 && sent.encoded_bytes <= most) {
    return absl::OkStatus();
  }
  return InvalidField(FieldName(i, "encoded_bytes"),
                      absl::StrCat("is ", sent.encoded_bytes, "; expected ", raw, " raw, 1 to ", most, " for a delta"));
}

absl::Status CheckTensor(size_t i, const TensorManifest& sent, const TensorSpec& spec, const Tensor& parent) {
  if (sent.shape != spec.shape) {
    return InvalidField(FieldName(i, "shape"),
                        absl::StrCat("of ", NameOf(sent), " is [", absl::StrJoin(sent.shape, ","), "]; the model has [",
                                     absl::StrJoin(spec.shape, ","), "]"));
  }
  if (sent.dtype != DType::kF32 && sent.dtype != DType::kBF16) {
    return InvalidField(FieldName(i, "type"), absl::StrCat("of ", NameOf(sent), " is none; expected F32 or BF16"));
  }
  if (sent.encoding == TensorEncoding::kDelta && sent.dtype != parent.dtype) {
    return InvalidField(FieldName(i, "type"),
                        absl::StrCat("of ", NameOf(sent), " is ", DTypeName(sent.dtype), "; the parent has ",
                                     DTypeName(parent.dtype), ": a delta needs the same, send it raw"));
  }
  return CheckSize(i, sent, Elements(spec));
}

}  // namespace

int64_t DefaultStagingBytes(const Checkpoint& checkpoint) {
  int64_t bytes = 1 << 20;
  for (const PublishedTensor& place : PublishedTensors(checkpoint)) bytes += 8 * place.In(checkpoint).elements();
  return bytes;
}

Staging::Staging(Manifest manifest, std::shared_ptr<const Checkpoint> base, std::shared_ptr<const Checkpoint> parent)
    : manifest_(std::move(manifest)),
      base_(std::move(base)),
      parent_(std::move(parent)),
      places_(PublishedTensors(*base_)),
      sent_(places_.size()),
      targets_(manifest_.tensors.size()),
      received_(manifest_.tensors.size()) {}

absl::StatusOr<std::unique_ptr<Staging>> Staging::Begin(Manifest manifest, std::shared_ptr<const Checkpoint> base,
                                                        std::shared_ptr<const Checkpoint> parent, int64_t byte_budget) {
  std::unique_ptr<Staging> staging(new Staging(std::move(manifest), std::move(base), std::move(parent)));
  RETURN_IF_ERROR(staging->Place());
  if (staging->bytes_ > byte_budget) {
    return absl::ResourceExhaustedError(absl::StrCat("the version takes ", staging->bytes_,
                                                     " bytes to receive, the staging area may hold ", byte_budget,
                                                     ": raise --staging-bytes or --memory-limit"));
  }
  // Pages are taken when they are written, so a large version costs nothing yet.
  staging->memory_.reset(new std::byte[staging->bytes_]);
  std::byte* next = staging->memory_.get();
  for (size_t place = 0; place < staging->places_.size(); ++place) {
    Tensor& tensor = staging->decoded_[place];
    const size_t size = static_cast<size_t>(tensor.elements()) * ElementBytes(tensor.dtype);
    tensor.bytes = {next, size};
    if (const auto sent = staging->sent_[place]; sent.has_value()) staging->targets_[*sent] = next;
    next += size;
  }
  for (size_t i = 0; i < staging->targets_.size(); ++i) {
    const TensorManifest& sent = staging->manifest_.tensors[i];
    if (sent.encoding == TensorEncoding::kRaw) continue;
    staging->targets_[i] = next;
    next += sent.encoded_bytes;
  }
  return staging;
}

absl::Status Staging::Place() {
  std::map<std::string, size_t> place_of;
  for (size_t place = 0; place < places_.size(); ++place) {
    place_of[PublishedName(places_[place].SpecIn(*base_).name, places_[place].reward)] = place;
    const Tensor& parent = places_[place].In(*parent_);
    decoded_.push_back({parent.dtype, places_[place].SpecIn(*base_).shape, {}});
  }
  for (size_t i = 0; i < manifest_.tensors.size(); ++i) {
    const TensorManifest& sent = manifest_.tensors[i];
    const auto found = place_of.find(NameOf(sent));
    if (found == place_of.end()) {
      return InvalidField(FieldName(i, "name"),
                          absl::StrCat("is ", NameOf(sent), "; the model publishes no such tensor"));
    }
    const size_t place = found->second;
    if (sent_[place].has_value())
      return InvalidField(FieldName(i, "name"), absl::StrCat("is ", NameOf(sent), " again"));
    RETURN_IF_ERROR(CheckTensor(i, sent, places_[place].SpecIn(*base_), places_[place].In(*parent_)));
    sent_[place] = i;
    decoded_[place].dtype = sent.dtype;
    if (sent.encoding == TensorEncoding::kDelta) bytes_ += static_cast<int64_t>(sent.encoded_bytes);
  }
  for (const Tensor& tensor : decoded_) bytes_ += tensor.elements() * ElementBytes(tensor.dtype);
  return absl::OkStatus();
}

absl::Status Staging::CheckPiece(uint64_t tensor, uint64_t offset, absl::string_view bytes) const {
  const std::string name = NameOf(manifest_.tensors[tensor]);
  const uint64_t size = manifest_.tensors[tensor].encoded_bytes, received = received_[tensor];
  if (offset > size || bytes.size() > size - offset) {
    return absl::OutOfRangeError(absl::StrCat("a chunk of ", name, " spans [", offset, ", ", offset + bytes.size(),
                                              "); the tensor has ", size, " encoded bytes"));
  }
  if (offset == received || offset + bytes.size() <= received) return absl::OkStatus();
  return absl::OutOfRangeError(absl::StrCat("a chunk of ", name, " is at ", offset, "; expected ", received,
                                            offset > received ? " (one is missing)" : " (it overlaps)"));
}

absl::Status Staging::Add(uint64_t tensor, uint64_t offset, absl::string_view bytes, uint64_t checksum) {
  if (tensor >= targets_.size()) {
    return absl::OutOfRangeError(
        absl::StrCat("a chunk is of tensor ", tensor, "; the manifest names ", targets_.size(), ", counted from 0"));
  }
  RETURN_IF_ERROR(CheckPiece(tensor, offset, bytes));
  if (ChunkChecksum(tensor, offset, bytes) != checksum) {
    return absl::DataLossError(absl::StrCat("a chunk of ", NameOf(manifest_.tensors[tensor]), " at ", offset,
                                            " differs from its checksum: send it again"));
  }
  std::byte* const target = targets_[tensor] + offset;
  if (offset < received_[tensor]) {
    if (std::memcmp(target, bytes.data(), bytes.size()) == 0) return absl::OkStatus();
    return absl::OutOfRangeError(absl::StrCat("a chunk of ", NameOf(manifest_.tensors[tensor]), " at ", offset,
                                              " has arrived before with other bytes"));
  }
  std::memcpy(target, bytes.data(), bytes.size());
  received_[tensor] += bytes.size();
  return absl::OkStatus();
}

absl::Status Staging::CheckComplete() const {
  std::vector<std::string> missing;
  for (size_t i = 0; i < received_.size(); ++i) {
    const TensorManifest& sent = manifest_.tensors[i];
    if (received_[i] == sent.encoded_bytes) continue;
    missing.push_back(absl::StrCat(NameOf(sent), " [", received_[i], ", ", sent.encoded_bytes, ")"));
  }
  if (missing.empty()) return absl::OkStatus();
  const size_t count = missing.size();
  missing.resize(std::min(count, kMaxMissingNamed));
  return absl::FailedPreconditionError(
      absl::StrCat(count, " of ", received_.size(), " tensors are incomplete: ", absl::StrJoin(missing, ", "),
                   count > kMaxMissingNamed ? ", ..." : "", "; send the missing bytes, then Commit"));
}

absl::Status Staging::Decode(size_t place) {
  Tensor& tensor = decoded_[place];
  auto* const bytes = const_cast<std::byte*>(tensor.bytes.data());  // Ours until Finish is done.
  const std::optional<size_t> sent = sent_[place];
  const bool raw = sent.has_value() && manifest_.tensors[*sent].encoding == TensorEncoding::kRaw;
  if (!raw) std::ranges::copy(places_[place].In(*parent_).bytes, bytes);
  if (!sent.has_value()) return absl::OkStatus();
  const TensorManifest& manifest = manifest_.tensors[*sent];
  if (!raw) {
    const absl::string_view delta(reinterpret_cast<const char*>(targets_[*sent]), manifest.encoded_bytes);
    const absl::Status status = ApplyDelta(delta, ElementBytes(tensor.dtype), {bytes, tensor.bytes.size()});
    if (!status.ok()) return absl::DataLossError(absl::StrCat(NameOf(manifest), ": ", status.message()));
  }
  if (ContentChecksum(tensor.bytes) == manifest.checksum) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(NameOf(manifest), " differs from its checksum in the manifest"));
}

absl::StatusOr<Checkpoint> Staging::Finish() {
  for (size_t place = 0; place < places_.size(); ++place) RETURN_IF_ERROR(Decode(place));
  Checkpoint checkpoint = WithPublished(*base_, decoded_, std::move(memory_), manifest_.version);
  const std::string digest = ParametersDigest(checkpoint.tensors);
  if (checkpoint.digest == digest) return checkpoint;
  return absl::DataLossError(absl::StrCat("the parameters have the digest ", digest, "; the publisher says ",
                                          checkpoint.digest, ": is its reference that of this server's checkpoint?"));
}

}  // namespace trimtab
