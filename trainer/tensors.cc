#include "trainer/tensors.h"

#include <span>
#include <utility>

#include "model/status_macros.h"

namespace trimtab {

absl::StatusOr<torch::Tensor> ToTorch(const Tensor& tensor, absl::string_view name) {
  torch::Tensor copy = torch::empty(tensor.shape, torch::kFloat32);
  RETURN_IF_ERROR(ToFloat32(tensor, name, {copy.data_ptr<float>(), static_cast<size_t>(copy.numel())}));
  return copy;
}

Tensor ViewOf(const torch::Tensor& tensor) {
  const std::span<const float> values(tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel()));
  return {DType::kF32, tensor.sizes().vec(), std::as_bytes(values)};
}

Checkpoint PlainCheckpoint(const T5Config& config, const NamedTensors& weights) {
  Checkpoint checkpoint;
  checkpoint.config = config;
  if (weights.count("lm_head.weight") != 0) checkpoint.config.tied_embeddings = false;
  checkpoint.tensors = PlanTensors(checkpoint.config, checkpoint.clp);
  auto owner = std::make_shared<NamedTensors>();
  for (ModelTensor& tensor : checkpoint.tensors) {
    const torch::Tensor kept = weights.find(tensor.spec.name)->second.detach();
    tensor.sets.push_back(ViewOf(kept));
    owner->emplace(tensor.spec.name, kept);
  }
  checkpoint.owners.push_back(std::move(owner));
  return checkpoint;
}

absl::StatusOr<NamedTensors> PlainWeights(const Checkpoint& checkpoint) {
  NamedTensors weights;
  for (const ModelTensor& tensor : checkpoint.tensors) {
    ASSIGN_OR_RETURN(weights[tensor.spec.name], ToTorch(tensor.sets[0], tensor.spec.name));
  }
  return weights;
}

}  // namespace trimtab
