#include "trainer/t5.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "model/relative_bias.h"

namespace trimtab {
namespace {

constexpr double kMasked = -1e9;  // Added to the score of a key that is not seen.

const torch::Tensor& At(const NamedTensors& weights, const std::string& name) { return weights.find(name)->second; }

// (batch, 1, 1, keys)
torch::Tensor KeyBias(const torch::Tensor& mask) { return ((1.0 - mask) * kMasked).unsqueeze(1).unsqueeze(1); }

torch::Tensor Activate(Activation activation, const torch::Tensor& x) {
  switch (activation) {
    case Activation::kRelu:
      return torch::relu(x);
    case Activation::kGelu:
      return torch::gelu(x);
    case Activation::kGeluNew:
      return torch::gelu(x, "tanh");
    case Activation::kSilu:
      return torch::silu(x);
  }
  return x;
}

}  // namespace

TokenBatch PadTokens(std::span<const std::vector<int32_t>> sequences, int32_t pad_id) {
  size_t longest = 1;
  for (const std::vector<int32_t>& sequence : sequences) longest = std::max(longest, sequence.size());
  const int64_t batch = static_cast<int64_t>(sequences.size()), length = static_cast<int64_t>(longest);
  TokenBatch tokens{torch::full({batch, length}, pad_id, torch::kInt64), torch::zeros({batch, length})};
  auto ids = tokens.ids.accessor<int64_t, 2>();
  auto mask = tokens.mask.accessor<float, 2>();
  for (int64_t i = 0; i < batch; ++i) {
    for (size_t t = 0; t < sequences[i].size(); ++t) {
      ids[i][t] = sequences[i][t];
      mask[i][t] = 1.0f;
    }
  }
  return tokens;
}

std::vector<std::vector<int32_t>> ShiftRight(std::span<const std::vector<int32_t>> targets, int32_t start_id) {
  std::vector<std::vector<int32_t>> shifted;
  for (const std::vector<int32_t>& target : targets) {
    std::vector<int32_t>& ids = shifted.emplace_back(1, start_id);
    if (!target.empty()) ids.insert(ids.end(), target.begin(), target.end() - 1);
  }
  return shifted;
}

const torch::Tensor& OutputLayer(const NamedTensors& weights) {
  const auto own = weights.find("lm_head.weight");
  return own == weights.end() ? At(weights, "shared.weight") : own->second;
}

torch::Tensor T5::Drop(const torch::Tensor& x) const {
  return dropout_ > 0.0 ? torch::dropout(x, dropout_, /*train=*/true) : x;
}

torch::Tensor T5::Embed(const NamedTensors& weights, const torch::Tensor& ids) const {
  return Drop(torch::embedding(At(weights, "shared.weight"), ids));
}

torch::Tensor T5::Norm(const NamedTensors& weights, const std::string& name, const torch::Tensor& x) const {
  const torch::Tensor scale = torch::rsqrt(x.pow(2).mean(-1, /*keepdim=*/true) + config_.norm_epsilon);
  return x * scale * At(weights, name + ".weight");
}

torch::Tensor T5::Heads(const NamedTensors& weights, const std::string& name, const torch::Tensor& x) const {
  return torch::linear(x, At(weights, name + ".weight"))
      .view({x.size(0), x.size(1), config_.num_heads, config_.d_kv})
      .transpose(1, 2);
}

torch::Tensor T5::Attend(const NamedTensors& weights, const std::string& name, const torch::Tensor& x,
                         const torch::Tensor& source, const torch::Tensor& bias) const {
  const torch::Tensor q = Heads(weights, name + ".q", x);
  const torch::Tensor k = Heads(weights, name + ".k", source), v = Heads(weights, name + ".v", source);
  const torch::Tensor seen = Drop(torch::softmax(torch::matmul(q, k.transpose(2, 3)) + bias, -1));
  const torch::Tensor joined = torch::matmul(seen, v).transpose(1, 2).reshape({x.size(0), x.size(1), config_.inner()});
  return Drop(torch::linear(joined, At(weights, name + ".o.weight")));
}

torch::Tensor T5::FeedForward(const NamedTensors& weights, const std::string& name, const torch::Tensor& x) const {
  const torch::Tensor normed = Norm(weights, name + ".layer_norm", x);
  const std::string dense = name + ".DenseReluDense.";
  const torch::Tensor& first = At(weights, dense + (config_.gated ? "wi_0.weight" : "wi.weight"));
  torch::Tensor inner = Activate(config_.activation, torch::linear(normed, first));
  if (config_.gated) inner = inner * torch::linear(normed, At(weights, dense + "wi_1.weight"));
  return x + Drop(torch::linear(Drop(inner), At(weights, dense + "wo.weight")));
}

// The bias depends on the distance alone: looked up once per distance, and laid out by windows over those.
torch::Tensor T5::RelativeBias(const NamedTensors& weights, const std::string& stack, int64_t length,
                               bool bidirectional) const {
  torch::Tensor buckets = torch::empty({2 * length - 1}, torch::kInt64);
  auto bucket = buckets.accessor<int64_t, 1>();
  for (int64_t i = 0; i < 2 * length - 1; ++i) {
    bucket[i] = RelativeBucket(static_cast<int32_t>(i - (length - 1)), bidirectional, config_.relative_buckets,
                               config_.relative_max_distance);
  }
  const torch::Tensor& table = At(weights, stack + ".block.0.layer.0.SelfAttention.relative_attention_bias.weight");
  const torch::Tensor by_distance = torch::embedding(table, buckets).t();  // (heads, distances)
  // Window i holds the keys of the query at length - 1 - i.
  return by_distance.unfold(1, length, 1).flip(1).unsqueeze(0);
}

torch::Tensor T5::Encode(const NamedTensors& weights, const TokenBatch& input) const {
  torch::Tensor x = Embed(weights, input.ids);
  const torch::Tensor bias = RelativeBias(weights, "encoder", input.ids.size(1), true) + KeyBias(input.mask);
  for (int32_t i = 0; i < config_.encoder_layers; ++i) {
    const std::string layer = absl::StrCat("encoder.block.", i, ".layer.");
    const torch::Tensor normed = Norm(weights, layer + "0.layer_norm", x);
    x = x + Attend(weights, layer + "0.SelfAttention", normed, normed, bias);
    x = FeedForward(weights, layer + "1", x);
  }
  return Drop(Norm(weights, "encoder.final_layer_norm", x));
}

torch::Tensor T5::Decode(const NamedTensors& weights, const torch::Tensor& encoded, const torch::Tensor& input_mask,
                         const torch::Tensor& decoder_ids) const {
  const int64_t steps = decoder_ids.size(1);
  torch::Tensor x = Embed(weights, decoder_ids);
  const torch::Tensor future = torch::triu(torch::full({steps, steps}, kMasked), /*diagonal=*/1);
  const torch::Tensor bias = RelativeBias(weights, "decoder", steps, false) + future;
  const torch::Tensor cross_bias = KeyBias(input_mask);
  for (int32_t i = 0; i < config_.decoder_layers; ++i) {
    const std::string layer = absl::StrCat("decoder.block.", i, ".layer.");
    torch::Tensor normed = Norm(weights, layer + "0.layer_norm", x);
    x = x + Attend(weights, layer + "0.SelfAttention", normed, normed, bias);
    normed = Norm(weights, layer + "1.layer_norm", x);
    x = x + Attend(weights, layer + "1.EncDecAttention", normed, encoded, cross_bias);
    x = FeedForward(weights, layer + "2", x);
  }
  return Drop(Norm(weights, "decoder.final_layer_norm", x)) * config_.logit_scale;
}

torch::Tensor T5::Logits(const NamedTensors& weights, const torch::Tensor& decoded) const {
  return torch::linear(decoded, OutputLayer(weights));
}

torch::Tensor T5::LogProbs(const NamedTensors& weights, const TokenBatch& input,
                           std::span<const std::vector<int32_t>> targets) const {
  const TokenBatch target = PadTokens(targets, config_.pad_id);
  const TokenBatch shifted = PadTokens(ShiftRight(targets, config_.decoder_start_id), config_.pad_id);
  const torch::Tensor decoded = Decode(weights, Encode(weights, input), input.mask, shifted.ids);
  // The vocabulary is by far the widest layer: padding does not reach it.
  const torch::Tensor written = target.mask.view(-1).nonzero().squeeze(1);
  const torch::Tensor logits = Logits(weights, decoded.flatten(0, 1).index_select(0, written));
  const torch::Tensor ids = target.ids.view(-1).index_select(0, written);
  const torch::Tensor losses = torch::cross_entropy_loss(logits, ids, {}, at::Reduction::None);
  return torch::zeros({target.ids.numel()}).index_copy(0, written, -losses).view_as(target.ids);
}

}  // namespace trimtab
