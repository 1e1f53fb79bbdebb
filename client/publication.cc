#include "client/publication.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "model/checksum.h"
#include "model/delta.h"
#include "model/published.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

absl::string_view View(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

absl::StatusOr<v1::TensorManifest> Describe(const PublishedTensor& place, const Checkpoint& next) {
  const Tensor& tensor = place.In(next);
  const TensorSpec& spec = place.SpecIn(next);
  if (tensor.dtype != DType::kF32 && tensor.dtype != DType::kBF16) {
    return absl::InvalidArgumentError(absl::StrCat(PublishedName(spec.name, place.reward), " is ",
                                                   DTypeName(tensor.dtype), "; F32 and BF16 are published"));
  }
  v1::TensorManifest manifest;
  manifest.set_name(spec.name);
  manifest.set_reward(place.reward);
  manifest.set_type(tensor.dtype == DType::kF32 ? v1::TENSOR_TYPE_F32 : v1::TENSOR_TYPE_BF16);
  manifest.mutable_shape()->Assign(spec.shape.begin(), spec.shape.end());
  manifest.set_encoding(v1::TENSOR_ENCODING_RAW);
  manifest.set_encoded_bytes(tensor.bytes.size());
  manifest.set_checksum(ContentChecksum(tensor.bytes));
  return manifest;
}

// Adds one tensor; whole where there is no `before` to change.
absl::Status Add(const PublishedTensor& place, const Checkpoint& next, const Tensor* before, Publication* publication) {
  const Tensor& tensor = place.In(next);
  ASSIGN_OR_RETURN(v1::TensorManifest manifest, Describe(place, next));
  absl::string_view bytes = View(tensor.bytes);
  if (before != nullptr && before->dtype == tensor.dtype) {
    bytes =
        publication->deltas.emplace_back(EncodeDelta(before->bytes, tensor.bytes, tensor.dtype == DType::kF32 ? 4 : 2));
    manifest.set_encoding(v1::TENSOR_ENCODING_DELTA);
    manifest.set_encoded_bytes(bytes.size());
  }
  publication->manifest.push_back(std::move(manifest));
  publication->bytes.push_back(bytes);
  return absl::OkStatus();
}

}  // namespace

int64_t Publication::total_bytes() const {
  int64_t total = 0;
  for (const absl::string_view tensor : bytes) total += static_cast<int64_t>(tensor.size());
  return total;
}

absl::StatusOr<std::unique_ptr<const Publication>> PublishWhole(const Checkpoint& next) {
  auto publication = std::make_unique<Publication>();
  for (const PublishedTensor& place : PublishedTensors(next)) {
    RETURN_IF_ERROR(Add(place, next, nullptr, publication.get()));
  }
  return publication;
}

namespace {

absl::Status CheckSameModel(const Checkpoint& next, const Checkpoint& parent,
                            const std::vector<PublishedTensor>& places) {
  bool same = PublishedTensors(parent).size() == places.size() && parent.tensors.size() == next.tensors.size();
  for (const PublishedTensor& place : places) {
    same = same && parent.tensors[place.tensor].sets.size() == next.tensors[place.tensor].sets.size() &&
           place.SpecIn(parent).name == place.SpecIn(next).name &&
           place.SpecIn(parent).shape == place.SpecIn(next).shape;
  }
  if (same) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "the parent is another model: its rewards, tensors or shapes differ; expected an earlier version of the same");
}

}  // namespace

absl::StatusOr<std::unique_ptr<const Publication>> PublishDelta(const Checkpoint& next, const Checkpoint& parent) {
  auto publication = std::make_unique<Publication>();
  const std::vector<PublishedTensor> places = PublishedTensors(next);
  RETURN_IF_ERROR(CheckSameModel(next, parent, places));
  publication->deltas.reserve(places.size());
  for (const PublishedTensor& place : places) {
    const Tensor &tensor = place.In(next), &before = place.In(parent);
    const bool equal = tensor.dtype == before.dtype && std::ranges::equal(tensor.bytes, before.bytes);
    // A version names at least one tensor.
    if (equal && !(&place == &places.back() && publication->manifest.empty())) continue;
    RETURN_IF_ERROR(Add(place, next, &before, publication.get()));
  }
  return publication;
}

}  // namespace trimtab
