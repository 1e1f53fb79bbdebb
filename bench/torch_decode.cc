#include "bench/torch_decode.h"

#include <torch/torch.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "model/relative_bias.h"
#include "trainer/t5.h"

namespace trimtab::bench {
namespace {

using torch::Tensor;

class Decoder {
 public:
  Decoder(const T5Config& config, const NamedTensors& weights, std::span<const std::vector<int32_t>> inputs)
      : config_(config), weights_(weights), self_(config.decoder_layers) {
    const TokenBatch batch = PadTokens(inputs, config.pad_id);
    const Tensor encoded = T5(config).Encode(weights, batch);
    mask_ = ((1.0 - batch.mask) * -1e9).unsqueeze(1).unsqueeze(1);
    for (int32_t i = 0; i < config.decoder_layers; ++i) {
      const std::string cross = absl::StrCat(Layer(i), "1.EncDecAttention");
      cross_.push_back({Heads(cross + ".k", encoded), Heads(cross + ".v", encoded)});
    }
  }

  // Logits (batch, vocabulary) of what follows `ids` (batch).
  Tensor Step(const Tensor& ids) {
    Tensor x = torch::embedding(At("shared.weight"), ids.unsqueeze(1));
    const Tensor bias = Bias();
    for (int32_t i = 0; i < config_.decoder_layers; ++i) {
      const std::string self = absl::StrCat(Layer(i), "0.SelfAttention"),
                        cross = absl::StrCat(Layer(i), "1.EncDecAttention");
      const Tensor normed = Norm(Layer(i) + "0.layer_norm", x);
      Append(Heads(self + ".k", normed), &self_[i].keys);
      Append(Heads(self + ".v", normed), &self_[i].values);
      x = x + Attend(self, normed, self_[i], bias);
      x = x + Attend(cross, Norm(Layer(i) + "1.layer_norm", x), cross_[i], mask_);
      x = x + FeedForward(Layer(i) + "2.", x);
    }
    ++position_;
    return torch::linear(Norm("decoder.final_layer_norm", x) * config_.logit_scale, OutputLayer(weights_)).squeeze(1);
  }

 private:
  struct Kept {
    Tensor keys, values;  // (batch, heads, positions, d_kv)
  };

  static std::string Layer(int32_t i) { return absl::StrCat("decoder.block.", i, ".layer."); }
  const Tensor& At(const std::string& name) const { return weights_.find(name)->second; }

  static void Append(const Tensor& next, Tensor* kept) {
    *kept = kept->defined() ? torch::cat({*kept, next}, 2) : next;
  }

  Tensor Norm(const std::string& name, const Tensor& x) const {
    return x * torch::rsqrt(x.pow(2).mean(-1, true) + config_.norm_epsilon) * At(name + ".weight");
  }
  Tensor Heads(const std::string& name, const Tensor& x) const {
    return torch::linear(x, At(name + ".weight")).view({x.size(0), x.size(1), config_.num_heads, -1}).transpose(1, 2);
  }
  Tensor Attend(const std::string& name, const Tensor& x, const Kept& kept, const Tensor& bias) const {
    const Tensor scores = torch::matmul(Heads(name + ".q", x), kept.keys.transpose(2, 3)) + bias;
    const Tensor joined = torch::matmul(torch::softmax(scores, -1), kept.values).transpose(1, 2);
    return torch::linear(joined.reshape({x.size(0), 1, -1}), At(name + ".o.weight"));
  }
  Tensor FeedForward(const std::string& name, const Tensor& x) const {
    const Tensor normed = Norm(name + "layer_norm", x);
    const std::string dense = name + "DenseReluDense.";
    if (!config_.gated)
      return torch::linear(torch::relu(torch::linear(normed, At(dense + "wi.weight"))), At(dense + "wo.weight"));
    const Tensor gate = torch::gelu(torch::linear(normed, At(dense + "wi_0.weight")), "tanh");
    return torch::linear(gate * torch::linear(normed, At(dense + "wi_1.weight")), At(dense + "wo.weight"));
  }
  // (1, heads, 1, positions): of the newest query over all keys.
  Tensor Bias() const {
    std::vector<int64_t> buckets;
    for (int32_t key = 0; key <= position_; ++key) {
      buckets.push_back(
          RelativeBucket(key - position_, false, config_.relative_buckets, config_.relative_max_distance));
    }
    const Tensor& table = At("decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
    return torch::embedding(table, torch::tensor(buckets)).t().unsqueeze(0).unsqueeze(2);
  }

  const T5Config& config_;
  const NamedTensors& weights_;
  Tensor mask_;
  std::vector<Kept> self_, cross_;
  int32_t position_ = 0;
};

}  // namespace

std::vector<int64_t> TorchDecode(const T5Config& config, const NamedTensors& weights,
                                 std::span<const std::vector<int32_t>> inputs, int32_t max_new_tokens) {
  const torch::NoGradGuard no_gradients;
  Decoder decoder(config, weights, inputs);
  const auto batch = static_cast<int64_t>(inputs.size());
  Tensor ids = torch::full({batch}, config.decoder_start_id, torch::kInt64);
  Tensor running = torch::ones({batch}, torch::kBool), written = torch::zeros({batch}, torch::kInt64);
  for (int32_t step = 0; step < max_new_tokens && running.any().item<bool>(); ++step) {
    ids = torch::multinomial(torch::softmax(decoder.Step(ids), -1), 1).squeeze(1);
    written += running.to(torch::kInt64);
    running = running.logical_and(ids != config.eos_id);
  }
  return {written.data_ptr<int64_t>(), written.data_ptr<int64_t>() + batch};
}

}  // namespace trimtab::bench
