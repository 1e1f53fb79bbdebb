#ifndef TRIMTAB_TRAINER_VALUE_NETWORK_H_
#define TRIMTAB_TRAINER_VALUE_NETWORK_H_

#include <torch/torch.h>

#include <cstdint>
#include <span>
#include <vector>

#include "trainer/policy.h"
#include "trainer/t5.h"
#include "trainer/tensors.h"

namespace trimtab {

// V_i(x), the control variate of B.1: the logits of the first m token ids at the first decoder step of a T5 of the
// policy's architecture, which starts as theta_ref. Not thread-safe.
class ValueNetwork {
 public:
  // Takes copies of `weights`.
  ValueNetwork(const T5Config& config, const NamedTensors& weights, int rewards);

  // (batch, rewards), with gradients to `weights`: weights(), or leaves over them.
  torch::Tensor Values(const NamedTensors& weights, std::span<const std::vector<int32_t>> articles) const;

  NamedTensors& weights() { return weights_; }  // Leaves that gather gradients.
  const std::vector<NamedParameter>& parameters() const { return parameters_; }
  // Of parameters(), as weights() gathered them since the last call.
  std::vector<torch::Tensor> TakeGradients();

 private:
  T5 t5_;
  int rewards_;
  NamedTensors weights_;
  std::vector<NamedParameter> parameters_;
};

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_VALUE_NETWORK_H_
