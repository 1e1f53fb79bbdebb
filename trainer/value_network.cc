#include "trainer/value_network.h"

#include "absl/strings/str_cat.h"

namespace trimtab {

ValueNetwork::ValueNetwork(const T5Config& config, const NamedTensors& weights, int rewards)
    : t5_(config), rewards_(rewards) {
  for (const auto& [name, value] : weights) {
    torch::Tensor& leaf = weights_[name] = value.detach().clone().set_requires_grad(true);
    parameters_.push_back({absl::StrCat("value/", name), leaf.detach()});
  }
}

torch::Tensor ValueNetwork::Values(const NamedTensors& weights, std::span<const std::vector<int32_t>> articles) const {
  const TokenBatch input = PadTokens(articles, t5_.config().pad_id);
  const torch::Tensor start = torch::full({input.ids.size(0), 1}, t5_.config().decoder_start_id, torch::kInt64);
  const torch::Tensor decoded = t5_.Decode(weights, t5_.Encode(weights, input), input.mask, start);
  return torch::linear(decoded.squeeze(1), OutputLayer(weights).slice(0, 0, rewards_));
}

std::vector<torch::Tensor> ValueNetwork::TakeGradients() {
  std::vector<torch::Tensor> gradients;
  for (auto& [name, leaf] : weights_) {
    gradients.push_back(leaf.grad());
    leaf.mutable_grad() = torch::Tensor();
  }
  return gradients;
}

}  // namespace trimtab
