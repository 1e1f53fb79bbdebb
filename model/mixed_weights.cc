#include "model/mixed_weights.h"

#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

// Looks tensors up by name while the weights of one model are laid out.
class WeightBinder {
 public:
  void BindMatrix(const std::string& name, const PackedMatrix& matrix) { matrices_[name] = matrix; }
  void BindVector(const std::string& name, const float* values) { vectors_[name] = values; }

  const float* Vector(const std::string& name) const { return vectors_.at(name); }
  const PackedMatrix& Matrix(const std::string& name) const { return matrices_.at(name); }
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
  std::map<std::string, PackedMatrix> matrices_;
  std::map<std::string, const float*> vectors_;
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
  int64_t bytes = 0;
  for (const ParameterTensor& tensor : parameters.tensors()) bytes += tensor.mixed_bytes;
  return bytes;
}

absl::StatusOr<std::shared_ptr<const MixedWeights>> MixedWeights::Mix(std::shared_ptr<const Parameters> parameters,
                                                                      const Coefficients& coefficients,
                                                                      Backend* backend) {
  ASSIGN_OR_RETURN(Buffer buffer, backend->Allocate(Bytes(*parameters) / 4));
  std::shared_ptr<MixedWeights> mixed(new MixedWeights(std::move(parameters), coefficients, std::move(buffer)));
  mixed->MixTensors(backend);
  return mixed;
}

void MixedWeights::MixTensors(Backend* backend) {
  const std::vector<float>& c = coefficients_.values();
  WeightBinder binder;
  EmbeddingWeights embedding;
  std::byte* next = buffer_.raw();
  for (const ParameterTensor& tensor : parameters_->tensors()) {
    const std::string& name = tensor.spec.name;
    if (tensor.spec.role == TensorRole::kEmbedding) {
      for (size_t j = 0; j < tensor.sets.size(); ++j) embedding.sets.push_back(tensor.values(j));
      embedding.coefficients = tensor.conditioned ? c : std::vector<float>{1.0f};
    } else if (!tensor.conditioned) {
      if (tensor.is_matrix()) {
        binder.BindMatrix(name, tensor.matrix(0));
      } else {
        binder.BindVector(name, tensor.values(0));
      }
    } else {
      if (tensor.is_matrix()) {
        MixMatrix(tensor, backend, next);
        binder.BindMatrix(name, {next, tensor.spec.shape[0], tensor.spec.shape[1], parameters_->precision()});
      } else {
        MixVector(tensor, backend, reinterpret_cast<float*>(next));
        binder.BindVector(name, reinterpret_cast<const float*>(next));
      }
      next += tensor.mixed_bytes;
    }
  }
  weights_ = LayOut(binder, parameters_->config());
  weights_.embedding = std::move(embedding);
}

void MixedWeights::MixMatrix(const ParameterTensor& tensor, Backend* backend, std::byte* out) const {
  std::vector<PackedMatrix> sets;
  for (size_t j = 0; j < tensor.sets.size(); ++j) sets.push_back(tensor.matrix(j));
  backend->MixMatrix(sets, coefficients_.values(), parameters_->precision(), out);
}

void MixedWeights::MixVector(const ParameterTensor& tensor, Backend* backend, float* out) const {
  std::vector<const float*> sets;
  for (size_t j = 0; j < tensor.sets.size(); ++j) sets.push_back(tensor.values(j));
  backend->Mix(sets, coefficients_.values(), tensor.elements(), out);
}

}  // namespace trimtab
