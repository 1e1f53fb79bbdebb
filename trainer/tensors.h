// Between libtorch's tensors and those of model/.
#ifndef TRIMTAB_TRAINER_TENSORS_H_
#define TRIMTAB_TRAINER_TENSORS_H_

#include <torch/torch.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/checkpoint.h"
#include "model/safetensors.h"

namespace trimtab {

// Canonical Hugging Face name -> tensor: the weights of one T5.
using NamedTensors = std::map<std::string, torch::Tensor, std::less<>>;

// A float32 copy. InvalidArgument, with `name`, for values that are not finite or a dtype that is no float.
absl::StatusOr<torch::Tensor> ToTorch(const Tensor& tensor, absl::string_view name);

// A view of `tensor` for model/. REQUIRES: float32, contiguous, on the host; it must outlive the result.
Tensor ViewOf(const torch::Tensor& tensor);

// A plain T5 (no rewards, all tensors shared) over these weights, without copying them; the result keeps them alive.
// An "lm_head.weight" is its own output layer, whatever `config` says; the output scale is that of `config`.
// REQUIRES: `weights` holds every tensor of T5Tensors(config), as ViewOf takes them.
Checkpoint PlainCheckpoint(const T5Config& config, const NamedTensors& weights);

// The weights of a checkpoint without rewards: what PlainCheckpoint turns around.
absl::StatusOr<NamedTensors> PlainWeights(const Checkpoint& checkpoint);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_TENSORS_H_
