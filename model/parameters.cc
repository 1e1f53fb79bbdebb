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

}  // namespace

absl::StatusOr<std::shared_ptr<const Parameters>> Parameters::Create(const Checkpoint& checkpoint, Backend* backend,
                                                                     Precision precision) {
  std::shared_ptr<Parameters> parameters(new Parameters());
  parameters->precision_ = precision;
  parameters->config_ = checkpoint.config;
  parameters->clp_ = checkpoint.clp;
  parameters->generation_ = checkpoint.generation;
  parameters->version_ = {.epoch = 0, .sequence = checkpoint.clp.sequence, .digest = checkpoint.digest};
  const ModelTensor* embedding = nullptr;
  bool has_lm_head = false;
  for (const ModelTensor& tensor : checkpoint.tensors) {
    RETURN_IF_ERROR(parameters->AddTensor(tensor.spec, tensor.conditioned, tensor.sets, backend));
    if (tensor.spec.role == TensorRole::kEmbedding) embedding = &tensor;
    has_lm_head |= tensor.spec.name == kLmHead;
  }
  if (!has_lm_head && embedding != nullptr) {
    const TensorSpec spec{kLmHead, embedding->spec.shape, TensorRole::kMatrix};
    RETURN_IF_ERROR(parameters->AddTensor(spec, embedding->conditioned, embedding->sets, backend));
  }
  return parameters;
}

absl::Status Parameters::AddTensor(const TensorSpec& spec, bool conditioned, const std::vector<Tensor>& sets,
                                   Backend* backend) {
  if (spec.role == TensorRole::kMatrix && precision_ == Precision::kInt8 && spec.shape[1] > kMaxInt8Depth) {
    return absl::InvalidArgumentError(absl::StrCat(spec.name, " takes ", spec.shape[1], " inputs; int8 sums at most ",
                                                   kMaxInt8Depth, ": load it in bfloat16"));
  }
  const Precision stored = StoredPrecision(spec, conditioned, precision_);
  ParameterTensor added{spec, conditioned, stored, BackendBytes(spec, config_, stored, *backend), 0, {}};
  if (conditioned && spec.role != TensorRole::kEmbedding) {
    added.mixed_bytes = WholeLines(BackendBytes(spec, config_, precision_, *backend));
  }
  for (const Tensor& set : sets) {
    std::vector<float> values(set.elements());
    RETURN_IF_ERROR(ToFloat32(set, spec.name, values));
    ASSIGN_OR_RETURN(Buffer buffer, backend->Allocate(added.bytes / 4));
    ToBackendForm(spec, config_, stored, *backend, std::move(values), buffer.raw());
    added.sets.push_back(buffer.raw());
    bytes_ += buffer.bytes();
    buffers_.push_back(std::move(buffer));
  }
  tensors_.push_back(std::move(added));
  return absl::OkStatus();
}

}  // namespace trimtab
