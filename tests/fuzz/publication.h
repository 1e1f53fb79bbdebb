// A model of three small tensors and versions of it, all in memory.
#ifndef TRIMTAB_TESTS_FUZZ_PUBLICATION_H_
#define TRIMTAB_TESTS_FUZZ_PUBLICATION_H_

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/checkpoint.h"
#include "model/published.h"

namespace trimtab {

using CheckpointPtr = std::shared_ptr<const Checkpoint>;

inline size_t ElementBytes(DType dtype) { return dtype == DType::kF32 ? 4 : 2; }

// Shared F32 [3], conditioned F32 [2, 2] with two rewards and a reference, shared BF16 [4].
inline CheckpointPtr SmallModel() {
  static const std::string* const bytes = new std::string(64, '\x3d');
  const auto tensor = [](DType dtype, const std::vector<int64_t>& shape) {
    Tensor made{dtype, shape, {}};
    made.bytes = std::as_bytes(std::span(bytes->data(), made.elements() * ElementBytes(dtype)));
    return made;
  };
  Checkpoint checkpoint;
  checkpoint.clp.rewards.resize(2);
  checkpoint.clp.rewards[0].name = "r0";
  checkpoint.clp.rewards[1].name = "r1";
  const Tensor set = tensor(DType::kF32, {2, 2});
  checkpoint.tensors.push_back({{"a", {3}, TensorRole::kNormGain}, false, {tensor(DType::kF32, {3})}});
  checkpoint.tensors.push_back({{"b", {2, 2}, TensorRole::kMatrix}, true, {set, set, set}});
  checkpoint.tensors.push_back({{"c", {4}, TensorRole::kNormGain}, false, {tensor(DType::kBF16, {4})}});
  checkpoint.digest = ParametersDigest(checkpoint.tensors);
  return std::make_shared<const Checkpoint>(std::move(checkpoint));
}

// `parent` with the bytes of its published tensors XORed with `changes`, one after the other, under `epoch` and
// `sequence` and its right digest.
inline CheckpointPtr Changed(const Checkpoint& parent, std::string changes, uint64_t epoch, uint64_t sequence) {
  auto owner = std::make_shared<std::vector<std::string>>();
  const std::vector<PublishedTensor> places = PublishedTensors(parent);
  owner->reserve(places.size());
  std::vector<Tensor> tensors;
  size_t next_change = 0;
  for (const PublishedTensor& place : places) {
    Tensor tensor = place.In(parent);
    std::string& bytes = owner->emplace_back(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
    for (char& byte : bytes) byte ^= next_change < changes.size() ? changes[next_change++] : 0;
    tensor.bytes = std::as_bytes(std::span<const char>(bytes));
    tensors.push_back(std::move(tensor));
  }
  Checkpoint next = WithPublished(parent, tensors, std::move(owner), {epoch, sequence, ""});
  next.digest = next.clp.digest = ParametersDigest(next.tensors);
  return std::make_shared<const Checkpoint>(std::move(next));
}

}  // namespace trimtab

#endif  // TRIMTAB_TESTS_FUZZ_PUBLICATION_H_
