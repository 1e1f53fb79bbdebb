#ifndef TRIMTAB_MODEL_PARAMETERS_H_
#define TRIMTAB_MODEL_PARAMETERS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/backend.h"
#include "model/checkpoint.h"
#include "model/t5_weights.h"

namespace trimtab {

// One tensor in the backend's form: matrices packed, relative-bias tables expanded to distances, the rest as stored.
// Every form but int8 is linear in the elements, so mixing works on it element by element.
struct ParameterTensor {
  TensorSpec spec;
  bool conditioned = false;
  Precision precision = Precision::kFloat32;  // Of the sets.
  int64_t bytes = 0;                          // Of one set.
  int64_t mixed_bytes = 0;                    // Of its mixture, whole cache lines; 0 when shared or mixed on the spot.
  std::vector<const std::byte*> sets;         // One when shared; the basis (k sets) when conditioned.
  MatrixBasis basis;                          // Of a matrix, shared or conditioned.

  bool is_matrix() const { return spec.role == TensorRole::kMatrix; }
  // REQUIRES: !is_matrix().
  const float* values(size_t set) const { return reinterpret_cast<const float*>(sets[set]); }
  int64_t elements() const { return bytes / 4; }  // Of values().
};

// One immutable version of everything: k sets of each conditioned tensor, one of each shared tensor. Thread-safe.
class Parameters {
 public:
  // Widens to float32, checks that every value is finite, and packs for `backend`, which must outlive the result.
  // `precision` is what matrices are multiplied in. With kInt8 the sets of conditioned matrices are kept twice: in
  // bfloat16, from which mixtures are made, and in int8, by which rows are multiplied over the basis.
  static absl::StatusOr<std::shared_ptr<const Parameters>> Create(const Checkpoint& checkpoint, Backend* backend,
                                                                  Precision precision = Precision::kFloat32);

  // The same from the packed form of an earlier Create, which `owner` keeps alive: nothing is read, widened or copied,
  // so this takes no time and no memory; a device is sent it. InvalidArgument unless `image` has the size that
  // `checkpoint` makes it. REQUIRES: `image` is Image() of the same version, backend and precision, 64-byte aligned.
  static absl::StatusOr<std::shared_ptr<const Parameters>> FromImage(const Checkpoint& checkpoint,
                                                                     std::span<const std::byte> image,
                                                                     std::shared_ptr<const void> owner,
                                                                     Backend* backend, Precision precision);
  // Everything packed, as FromImage takes it, in host memory: fetched into `copy` where the backend's is another.
  std::span<const std::byte> Image(const Backend& backend, std::vector<std::byte>* copy) const;

  const T5Config& config() const { return config_; }
  const ClpConfig& clp() const { return clp_; }
  const GenerationDefaults& generation() const { return generation_; }
  const ParameterVersion& version() const { return version_; }
  // In T5Tensors order, then "lm_head.weight" (present for every model: made from the embedding where tied).
  const std::vector<ParameterTensor>& tensors() const { return tensors_; }
  int64_t bytes() const { return bytes_; }
  // Room for the mixtures of all matrices that one operation reads.
  int64_t scratch_bytes() const { return scratch_bytes_; }
  Precision precision() const { return precision_; }
  // False where every mixture reads an article alike (logit-CLP): all that encoder and cross-attention keys and values
  // are made from is shared.
  bool conditions_encoder() const { return conditions_encoder_; }

 private:
  Parameters(const Checkpoint& checkpoint, Precision precision);
  // Decides form and size of every tensor.
  absl::Status Plan(const std::vector<ModelTensor>& tensors, const Backend& backend);
  absl::Status PlanTensor(const ModelTensor& tensor, const Backend& backend);
  // Lays the tensors out in `image`, in the order of Plan.
  void Place(const std::byte* image);
  void PlaceTensor(const std::byte** next, ParameterTensor* tensor) const;
  // Writes the values of every set to its place.
  absl::Status Fill(const std::vector<Tensor>& sets, const Backend& backend, const ParameterTensor& tensor) const;

  T5Config config_;
  ClpConfig clp_;
  GenerationDefaults generation_;
  ParameterVersion version_;
  Precision precision_ = Precision::kFloat32;
  std::vector<ParameterTensor> tensors_;
  const std::byte* image_ = nullptr;   // All sets of all tensors, each on whole cache lines: in one of the two below.
  Buffer buffer_;                      // Of Create.
  std::shared_ptr<const void> owner_;  // Of FromImage.
  int64_t bytes_ = 0;
  int64_t scratch_bytes_ = 0;
  bool conditions_encoder_ = false;
};

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_PARAMETERS_H_
