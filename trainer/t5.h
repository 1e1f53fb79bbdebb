// T5 v1.0 and v1.1 in libtorch, with gradients: what model/ computes, for training.
#ifndef TRIMTAB_TRAINER_T5_H_
#define TRIMTAB_TRAINER_T5_H_

#include <torch/torch.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/t5_config.h"
#include "trainer/tensors.h"

namespace trimtab {

// Token sequences of different lengths, padded to the longest.
struct TokenBatch {
  torch::Tensor ids;   // (batch, length) int64
  torch::Tensor mask;  // (batch, length) float32: 1 for a token, 0 for padding.
};
TokenBatch PadTokens(std::span<const std::vector<int32_t>> sequences, int32_t pad_id);

// The decoder's input for targets: the start token, then each target but the last.
std::vector<std::vector<int32_t>> ShiftRight(std::span<const std::vector<int32_t>> targets, int32_t start_id);

// The forward pass as a function of its weights, which carry the gradients. Stateless but for dropout.
class T5 {
 public:
  // `dropout` is where Hugging Face's T5 has it, with torch's generator; 0: none.
  explicit T5(const T5Config& config, double dropout = 0.0) : config_(config), dropout_(dropout) {}

  const T5Config& config() const { return config_; }

  // (batch, length, d_model), after the final norm.
  torch::Tensor Encode(const NamedTensors& weights, const TokenBatch& input) const;
  // Teacher forcing over `decoder_ids` (batch, steps) int64: (batch, steps, d_model), after the final norm and with the
  // output scale.
  torch::Tensor Decode(const NamedTensors& weights, const torch::Tensor& encoded, const torch::Tensor& input_mask,
                       const torch::Tensor& decoder_ids) const;
  // Of the whole vocabulary.
  torch::Tensor Logits(const NamedTensors& weights, const torch::Tensor& decoded) const;

  // log pi(target_t | input, targets before t): (batch, steps), 0 beyond a target's end.
  torch::Tensor LogProbs(const NamedTensors& weights, const TokenBatch& input,
                         std::span<const std::vector<int32_t>> targets) const;

 private:
  torch::Tensor Drop(const torch::Tensor& x) const;
  torch::Tensor Embed(const NamedTensors& weights, const torch::Tensor& ids) const;
  torch::Tensor Norm(const NamedTensors& weights, const std::string& name, const torch::Tensor& x) const;
  torch::Tensor Heads(const NamedTensors& weights, const std::string& name, const torch::Tensor& x) const;
  // softmax(q k^T + bias) v o. `bias` broadcasts to (batch, heads, queries, keys).
  torch::Tensor Attend(const NamedTensors& weights, const std::string& name, const torch::Tensor& x,
                       const torch::Tensor& source, const torch::Tensor& bias) const;
  torch::Tensor FeedForward(const NamedTensors& weights, const std::string& name, const torch::Tensor& x) const;
  torch::Tensor RelativeBias(const NamedTensors& weights, const std::string& stack, int64_t length,
                             bool bidirectional) const;

  const T5Config config_;
  const double dropout_;
};

// The weight that gives the logits: the output layer, or the embedding where they are tied.
const torch::Tensor& OutputLayer(const NamedTensors& weights);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_T5_H_
