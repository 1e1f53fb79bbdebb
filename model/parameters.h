#ifndef TRIMTAB_MODEL_PARAMETERS_H_
#define TRIMTAB_MODEL_PARAMETERS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/backend.h"
#include "model/checkpoint.h"

namespace trimtab {

// Names one state of all parameters; the same on every replica.
struct ParameterVersion {
  uint64_t epoch = 0;     // Of the publisher's lease; 0 for a checkpoint loaded from disk.
  uint64_t sequence = 0;  // Grows with every publication.
  std::string digest;     // Hex SHA-256 over the canonical bytes (ParametersDigest).
  friend bool operator==(const ParameterVersion&, const ParameterVersion&) = default;
};

// One tensor in the backend's form: matrices packed, relative-bias tables expanded to distances, the rest as stored.
// Every form is linear in the elements, so mixing works on it element by element.
struct ParameterTensor {
  TensorSpec spec;
  bool conditioned = false;
  int64_t elements = 0;            // Of the backend's form of one set.
  std::vector<const float*> sets;  // One when shared; the basis (k sets) when conditioned.
};

// One immutable version of everything: k sets of each conditioned tensor, one of each shared tensor. Thread-safe.
class Parameters {
 public:
  // Widens to float32, checks that every value is finite, and packs for `backend`, which must outlive the result.
  static absl::StatusOr<std::shared_ptr<const Parameters>> Create(const Checkpoint& checkpoint, Backend* backend);

  const T5Config& config() const { return config_; }
  const ClpConfig& clp() const { return clp_; }
  const GenerationDefaults& generation() const { return generation_; }
  const ParameterVersion& version() const { return version_; }
  // In T5Tensors order, then "lm_head.weight" (present for every model: made from the embedding where tied).
  const std::vector<ParameterTensor>& tensors() const { return tensors_; }
  int64_t bytes() const { return bytes_; }
  // Distances beyond this share one relative-bias entry.
  int32_t bias_reach() const { return config_.relative_max_distance; }

 private:
  Parameters() = default;
  absl::Status AddTensor(const TensorSpec& spec, bool conditioned, const std::vector<Tensor>& sets, Backend* backend);

  T5Config config_;
  ClpConfig clp_;
  GenerationDefaults generation_;
  ParameterVersion version_;
  std::vector<ParameterTensor> tensors_;
  std::vector<Buffer> buffers_;
  int64_t bytes_ = 0;
};

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_PARAMETERS_H_
