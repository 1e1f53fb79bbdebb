#include "model/parameters.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "model/relative_bias.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

constexpr char kLmHead[] = "lm_head.weight";
constexpr char kDecoderFinalNorm[] = "decoder.final_layer_norm.weight";

int64_t BackendBytes(const TensorSpec& spec, const T5Config& config, Precision precision, const Backend& backend) {
  int64_t elements = 1;
  for (int64_t extent : spec.shape) elements *= extent;
  switch (spec.role) {
    case TensorRole::kMatrix:
      return backend.PackedBytes(spec.shape[0], spec.shape[1], precision);
    case TensorRole::kRelativeBias:
      return config.num_heads * (2 * int64_t{config.relative_max_distance} + 1) * 4;
    case TensorRole::kNormGain:
    case TensorRole::kEmbedding:
      break;
  }
  return elements * 4;
}

int64_t WholeLines(int64_t bytes) { return (bytes + 63) / 64 * 64; }

// What the sets of a tensor are kept in, for matrices multiplied in `precision`.
Precision StoredPrecision(const TensorSpec& spec, bool conditioned, Precision precision) {
  if (spec.role != TensorRole::kMatrix) return Precision::kFloat32;
  return conditioned && precision == Precision::kInt8 ? Precision::kBfloat16 : precision;
}

// Brings the stored values of one set into the backend's form. The output scale of tied models rides on the decoder's
// final norm, which every logit passes through.
void ToBackendForm(const TensorSpec& spec, const T5Config& config, Precision precision, const Backend& backend,
                   std::vector<float> values, std::byte* out) {
  if (spec.role == TensorRole::kMatrix) {
    backend.Pack(values.data(), spec.shape[0], spec.shape[1], precision, out);
    return;
  }
  if (spec.role == TensorRole::kRelativeBias) {
    values = ExpandRelativeBias(values, config, absl::StartsWith(spec.name, "encoder."));
  } else if (spec.name == kDecoderFinalNorm) {
    for (float& value : values) value *= config.logit_scale;
  }
  std::copy(values.begin(), values.end(), reinterpret_cast<float*>(out));
}

// With an output layer of its own, made from the embedding where the two are tied.
std::vector<ModelTensor> WithOutputLayer(std::vector<ModelTensor> tensors) {
  const ModelTensor* embedding = nullptr;
  for (const ModelTensor& tensor : tensors) {
    if (tensor.spec.name == kLmHead) return tensors;
    if (tensor.spec.role == TensorRole::kEmbedding) embedding = &tensor;
  }
  if (embedding == nullptr) return tensors;
  ModelTensor head = *embedding;
  head.spec = {kLmHead, embedding->spec.shape, TensorRole::kMatrix};
  tensors.push_back(std::move(head));
  return tensors;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Parameters>> Parameters::Create(const Checkpoint& checkpoint, Backend* backend,
                                                                     Precision precision) {
  std::shared_ptr<Parameters> parameters(new Parameters());
  parameters->precision_ = precision;
  parameters->config_ = checkpoint.config;
  parameters->clp_ = checkpoint.clp;
  parameters->generation_ = checkpoint.generation;
  parameters->version_ = checkpoint.version();
  std::vector<ModelTensor> tensors = WithOutputLayer(checkpoint.tensors);
  for (const ModelTensor& tensor : tensors) RETURN_IF_ERROR(parameters->PlanTensor(tensor, *backend));
  ASSIGN_OR_RETURN(parameters->buffer_, backend->Allocate(parameters->bytes_ / 4));
  std::byte* next = parameters->buffer_.raw();
  for (size_t i = 0; i < tensors.size(); ++i) {
    RETURN_IF_ERROR(parameters->Fill(tensors[i].sets, *backend, &next, &parameters->tensors_[i]));
  }
  return parameters;
}

absl::Status Parameters::PlanTensor(const ModelTensor& tensor, const Backend& backend) {
  const TensorSpec& spec = tensor.spec;
  if (spec.role == TensorRole::kMatrix && precision_ == Precision::kInt8 && spec.shape[1] > kMaxInt8Depth) {
    return absl::InvalidArgumentError(absl::StrCat(spec.name, " takes ", spec.shape[1], " inputs; int8 sums at most ",
                                                   kMaxInt8Depth, ": load it in bfloat16"));
  }
  const Precision stored = StoredPrecision(spec, tensor.conditioned, precision_);
  ParameterTensor planned{spec, tensor.conditioned, stored, BackendBytes(spec, config_, stored, backend), 0, {}, {}};
  if (tensor.conditioned && spec.role != TensorRole::kEmbedding) {
    planned.mixed_bytes = WholeLines(BackendBytes(spec, config_, precision_, backend));
  }
  const auto sets = static_cast<int64_t>(tensor.sets.size());
  bytes_ += sets * WholeLines(planned.bytes);
  if (tensor.conditioned && planned.is_matrix()) {
    if (stored != precision_) bytes_ += sets * planned.mixed_bytes;
    constexpr int kMatricesOfOneOperation = 3;  // q, k and v; the output layer stands alone.
    scratch_bytes_ =
        std::max(scratch_bytes_, planned.mixed_bytes * (spec.name == kLmHead ? 1 : kMatricesOfOneOperation));
  }
  tensors_.push_back(std::move(planned));
  return absl::OkStatus();
}

absl::Status Parameters::Fill(const std::vector<Tensor>& sets, const Backend& backend, std::byte** next,
                              ParameterTensor* tensor) const {
  for (const Tensor& set : sets) {
    std::vector<float> values(set.elements());
    RETURN_IF_ERROR(ToFloat32(set, tensor->spec.name, values));
    ToBackendForm(tensor->spec, config_, tensor->precision, backend, std::move(values), *next);
    tensor->sets.push_back(*next);
    *next += WholeLines(tensor->bytes);
  }
  if (tensor->is_matrix()) FillBasis(backend, next, tensor);
  return absl::OkStatus();
}

void Parameters::FillBasis(const Backend& backend, std::byte** next, ParameterTensor* tensor) const {
  const int64_t out = tensor->spec.shape[0], in = tensor->spec.shape[1];
  for (const std::byte* set : tensor->sets) {
    const PackedMatrix& matrix = tensor->basis.sets.emplace_back(set, out, in, tensor->precision);
    if (!tensor->conditioned || tensor->precision == precision_) {
      tensor->basis.factors.push_back(matrix);
      continue;
    }
    const float whole = 1.0f;
    backend.MixMatrix({&matrix, 1}, {&whole, 1}, precision_, *next);
    tensor->basis.factors.emplace_back(*next, out, in, precision_);
    *next += tensor->mixed_bytes;
  }
}

}  // namespace trimtab
