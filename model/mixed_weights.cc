#include "model/mixed_weights.h"

#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

constexpr int64_t kAlignment = 16;  // Elements: every tensor starts on a cache line.

bool IsStoredMixed(const ParameterTensor& tensor) {
  return tensor.conditioned && tensor.spec.role != TensorRole::kEmbedding;
}

int64_t AlignedElements(const ParameterTensor& tensor) {
  return (tensor.elements + kAlignment - 1) / kAlignment * kAlignment;
}

int64_t StoredElements(const Parameters& parameters) {
  int64_t elements = 0;
  for (const ParameterTensor& tensor : parameters.tensors()) {
    if (IsStoredMixed(tensor)) elements += AlignedElements(tensor);
  }
  return elements;
}

// Looks tensors up by name while the weights of one model are laid out.
class WeightBinder {
 public:
  void Bind(const ParameterTensor& tensor, const float* data) { tensors_[tensor.spec.name] = {&tensor, data}; }

  const float* Vector(const std::string& name) const { return Find(name).second; }
  PackedMatrix Matrix(const std::string& name) const {
    const auto& [tensor, data] = Find(name);
    return {data, tensor->spec.shape[0], tensor->spec.shape[1]};
  }
  RelativeBias Bias(const std::string& stack, int32_t reach) const {
    return {Vector(absl::StrCat(stack, ".block.0.layer.0.SelfAttention.relative_attention_bias.weight")), reach};
  }
  AttentionWeights Attention(const std::string& layer, const std::string& kind) const {
    const std::string attention = absl::StrCat(layer, ".", kind);
    return {Vector(layer + ".layer_norm.weight"), Matrix(attention + ".q.weight"), Matrix(attention + ".k.weight"),
            Matrix(attention + ".v.weight"), Matrix(attention + ".o.weight")};
  }
  FeedForwardWeights FeedForward(const std::string& layer, bool gated) const {
    const std::string dense = layer + ".DenseReluDense";
    return {Vector(layer + ".layer_norm.weight"), Matrix(dense + (gated ? ".wi_0.weight" : ".wi.weight")),
            gated ? Matrix(dense + ".wi_1.weight") : PackedMatrix{}, Matrix(dense + ".wo.weight")};
  }

 private:
  using Bound = std::pair<const ParameterTensor*, const float*>;
  const Bound& Find(const std::string& name) const { return tensors_.at(name); }
  std::map<std::string, Bound> tensors_;
};

T5Weights LayOut(const WeightBinder& binder, const T5Config& config) {
  T5Weights weights;
  for (int32_t i = 0; i < config.encoder_layers; ++i) {
    const std::string block = absl::StrCat("encoder.block.", i, ".layer.");
    weights.encoder.push_back(
        {binder.Attention(block + "0", "SelfAttention"), binder.FeedForward(block + "1", config.gated)});
  }
  for (int32_t i = 0; i < config.decoder_layers; ++i) {
    const std::string block = absl::StrCat("decoder.block.", i, ".layer.");
    weights.decoder.push_back({binder.Attention(block + "0", "SelfAttention"),
                               binder.Attention(block + "1", "EncDecAttention"),
                               binder.FeedForward(block + "2", config.gated)});
  }
  weights.encoder_norm = binder.Vector("encoder.final_layer_norm.weight");
  weights.decoder_norm = binder.Vector("decoder.final_layer_norm.weight");
  weights.encoder_bias = binder.Bias("encoder", config.relative_max_distance);
  weights.decoder_bias = binder.Bias("decoder", config.relative_max_distance);
  weights.lm_head = binder.Matrix("lm_head.weight");
  return weights;
}

}  // namespace

int64_t MixedWeights::Bytes(const Parameters& parameters) {
  return StoredElements(parameters) * static_cast<int64_t>(sizeof(float));
}

absl::StatusOr<std::shared_ptr<const MixedWeights>> MixedWeights::Mix(std::shared_ptr<const Parameters> parameters,
                                                                      const Coefficients& coefficients,
                                                                      Backend* backend) {
  const std::vector<float>& c = coefficients.values();
  ASSIGN_OR_RETURN(Buffer buffer, backend->Allocate(StoredElements(*parameters)));
  std::shared_ptr<MixedWeights> mixed(new MixedWeights(std::move(parameters), coefficients, std::move(buffer)));
  WeightBinder binder;
  EmbeddingWeights embedding;
  float* next = mixed->buffer_.data();
  for (const ParameterTensor& tensor : mixed->parameters_->tensors()) {
    if (tensor.spec.role == TensorRole::kEmbedding) {
      embedding = {tensor.sets, tensor.conditioned ? c : std::vector<float>{1.0f}};
    } else if (IsStoredMixed(tensor)) {
      backend->Mix(tensor.sets, c, tensor.elements, next);
      binder.Bind(tensor, next);
      next += AlignedElements(tensor);
    } else {
      binder.Bind(tensor, tensor.sets[0]);
    }
  }
  mixed->weights_ = LayOut(binder, mixed->parameters_->config());
  mixed->weights_.embedding = std::move(embedding);
  return mixed;
}

}  // namespace trimtab
