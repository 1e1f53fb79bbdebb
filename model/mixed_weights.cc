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
  void BindMatrix(const std::string& name, const WeightMatrix& matrix) { matrices_[name] = matrix; }
  void BindVector(const std::string& name, const float* values) { vectors_[name] = values; }

  const float* Vector(const std::string& name) const { return vectors_.at(name); }
  const WeightMatrix& Matrix(const std::string& name) const { return matrices_.at(name); }
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
            gated ? Matrix(dense + ".wi_1.weight") : WeightMatrix{}, Matrix(dense + ".wo.weight")};
  }

 private:
  std::map<std::string, WeightMatrix> matrices_;
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

// Of one tensor in the buffer.
int64_t KeptBytes(const ParameterTensor& tensor, MixTime when) {
  return when == MixTime::kNever && tensor.is_matrix() ? 0 : tensor.mixed_bytes;
}

int64_t KeptBytes(const Parameters& parameters, MixTime when) {
  int64_t bytes = 0;
  for (const ParameterTensor& tensor : parameters.tensors()) bytes += KeptBytes(tensor, when);
  return bytes;
}

}  // namespace

int64_t MixedWeights::Bytes(const Parameters& parameters) { return KeptBytes(parameters, MixTime::kNow); }

absl::StatusOr<std::shared_ptr<const MixedWeights>> MixedWeights::Mix(std::shared_ptr<const Parameters> parameters,
                                                                      const Coefficients& coefficients,
                                                                      Backend* backend, MixTime when) {
  ASSIGN_OR_RETURN(Buffer buffer, backend->Allocate(KeptBytes(*parameters, when) / 4));
  std::shared_ptr<MixedWeights> mixed(new MixedWeights(std::move(parameters), coefficients, when, std::move(buffer)));
  mixed->MixTensors(backend);
  return mixed;
}

void MixedWeights::MixTensors(Backend* backend) {
  const std::vector<ParameterTensor>& tensors = parameters_->tensors();
  states_.reserve(tensors.size());  // They are pointed to.
  WeightBinder binder;
  EmbeddingWeights embedding;
  std::byte* next = buffer_.raw();
  for (const ParameterTensor& tensor : tensors) {
    if (tensor.spec.role == TensorRole::kEmbedding) {
      for (size_t j = 0; j < tensor.sets.size(); ++j) embedding.sets.push_back(tensor.values(j));
      embedding.coefficients = tensor.conditioned ? coefficients_.values() : std::vector<float>{1.0f};
    } else if (tensor.is_matrix()) {
      binder.BindMatrix(tensor.spec.name, MakeMatrix(tensor, backend, &next));
    } else {
      binder.BindVector(tensor.spec.name, MakeVector(tensor, backend, &next));
    }
  }
  weights_ = LayOut(binder, parameters_->config());
  weights_.embedding = std::move(embedding);
  weights_.coefficients = coefficients_.values();
  if (when_ != MixTime::kNow) weights_.mix_time = &mix_time_;
}

WeightMatrix MixedWeights::MakeMatrix(const ParameterTensor& tensor, Backend* backend, std::byte** next) {
  if (!tensor.conditioned) return {.mixed = tensor.basis.sets[0]};
  PackedMatrix mixed = tensor.basis.factors[0];  // Its shape and precision.
  mixed.data = when_ == MixTime::kNever ? nullptr : *next;
  WeightMatrix matrix{mixed, &tensor.basis, nullptr, nullptr};
  if (when_ == MixTime::kNow) {
    backend->MixMatrix(tensor.basis.sets, coefficients_.values(), parameters_->precision(), *next);
  } else if (when_ == MixTime::kOnUse) {
    matrix.state = &states_.emplace_back(MixState::kUnused);
    matrix.place = *next;
  }
  *next += KeptBytes(tensor, when_);
  return matrix;
}

const float* MixedWeights::MakeVector(const ParameterTensor& tensor, Backend* backend, std::byte** next) const {
  if (!tensor.conditioned) return tensor.values(0);
  std::vector<const float*> sets;
  for (size_t j = 0; j < tensor.sets.size(); ++j) sets.push_back(tensor.values(j));
  float* const out = reinterpret_cast<float*>(*next);
  backend->Mix(sets, coefficients_.values(), tensor.elements(), out);
  *next += KeptBytes(tensor, when_);
  return out;
}

}  // namespace trimtab
