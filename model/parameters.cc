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
  backend.Upload(values.data(), static_cast<int64_t>(values.size()) * 4, out);
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

Parameters::Parameters(const Checkpoint& checkpoint, Precision precision)
    : config_(checkpoint.config),
      clp_(checkpoint.clp),
      generation_(checkpoint.generation),
      version_(checkpoint.version()),
      precision_(precision) {}

absl::StatusOr<std::shared_ptr<const Parameters>> Parameters::Create(const Checkpoint& checkpoint, Backend* backend,
                                                                     Precision precision) {
  std::shared_ptr<Parameters> parameters(new Parameters(checkpoint, precision));
  const std::vector<ModelTensor> tensors = WithOutputLayer(checkpoint.tensors);
  RETURN_IF_ERROR(parameters->Plan(tensors, *backend));
  ASSIGN_OR_RETURN(parameters->buffer_, backend->Allocate(parameters->bytes_ / 4));
  parameters->Place(parameters->buffer_.raw());
  for (size_t i = 0; i < tensors.size(); ++i) {
    RETURN_IF_ERROR(parameters->Fill(tensors[i].sets, *backend, parameters->tensors_[i]));
  }
  return parameters;
}

absl::StatusOr<std::shared_ptr<const Parameters>> Parameters::FromImage(const Checkpoint& checkpoint,
                                                                        std::span<const std::byte> image,
                                                                        std::shared_ptr<const void> owner,
                                                                        Backend* backend, Precision precision) {
  std::shared_ptr<Parameters> parameters(new Parameters(checkpoint, precision));
  RETURN_IF_ERROR(parameters->Plan(WithOutputLayer(checkpoint.tensors), *backend));
  if (static_cast<int64_t>(image.size()) != parameters->bytes_) {
    return absl::InvalidArgumentError(
        absl::StrCat("the packed form has ", image.size(), " bytes; expected ", parameters->bytes_));
  }
  if (backend->on_host()) {
    parameters->owner_ = std::move(owner);
    parameters->Place(image.data());
    return parameters;
  }
  ASSIGN_OR_RETURN(parameters->buffer_, backend->Allocate(parameters->bytes_ / 4));
  backend->Upload(image.data(), parameters->bytes_, parameters->buffer_.raw());
  parameters->Place(parameters->buffer_.raw());
  return parameters;
}

std::span<const std::byte> Parameters::Image(const Backend& backend, std::vector<std::byte>* copy) const {
  if (backend.on_host()) return {image_, static_cast<size_t>(bytes_)};
  copy->resize(bytes_);
  backend.Download(image_, bytes_, copy->data());
  return *copy;
}

absl::Status Parameters::Plan(const std::vector<ModelTensor>& tensors, const Backend& backend) {
  for (const ModelTensor& tensor : tensors) RETURN_IF_ERROR(PlanTensor(tensor, backend));
  return absl::OkStatus();
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
  conditions_encoder_ |= tensor.conditioned && IsReadByEncoder(spec.name);
  planned.sets.resize(tensor.sets.size());
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

void Parameters::Place(const std::byte* image) {
  image_ = image;
  for (ParameterTensor& tensor : tensors_) PlaceTensor(&image, &tensor);
}

// Sets that are kept in another precision than they are multiplied in lie there twice.
void Parameters::PlaceTensor(const std::byte** next, ParameterTensor* tensor) const {
  const auto take = [next](int64_t bytes) {
    const std::byte* place = *next;
    *next += WholeLines(bytes);
    return place;
  };
  for (const std::byte*& set : tensor->sets) set = take(tensor->bytes);
  if (!tensor->is_matrix()) return;
  const int64_t out = tensor->spec.shape[0], in = tensor->spec.shape[1];
  const bool once = !tensor->conditioned || tensor->precision == precision_;
  for (const std::byte* set : tensor->sets) {
    const PackedMatrix& matrix = tensor->basis.sets.emplace_back(PackedMatrix{set, out, in, tensor->precision});
    tensor->basis.factors.push_back(once ? matrix : PackedMatrix{take(tensor->mixed_bytes), out, in, precision_});
  }
}

absl::Status Parameters::Fill(const std::vector<Tensor>& sets, const Backend& backend,
                              const ParameterTensor& tensor) const {
  // The image is ours to write until Create is done.
  const auto writable = [](const std::byte* place) { return const_cast<std::byte*>(place); };
  for (size_t i = 0; i < sets.size(); ++i) {
    std::vector<float> values(sets[i].elements());
    RETURN_IF_ERROR(ToFloat32(sets[i], tensor.spec.name, values));
    ToBackendForm(tensor.spec, config_, tensor.precision, backend, std::move(values), writable(tensor.sets[i]));
    if (!tensor.is_matrix() || tensor.basis.factors[i] == tensor.basis.sets[i]) continue;
    const float whole = 1.0f;
    backend.MixMatrix({&tensor.basis.sets[i], 1}, {&whole, 1}, precision_, writable(tensor.basis.factors[i].data));
  }
  return absl::OkStatus();
}

}  // namespace trimtab
