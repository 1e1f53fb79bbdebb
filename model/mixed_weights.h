#ifndef TRIMTAB_MODEL_MIXED_WEIGHTS_H_
#define TRIMTAB_MODEL_MIXED_WEIGHTS_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "kernels/backend.h"
#include "model/parameters.h"
#include "model/t5_weights.h"
#include "model/weighting.h"

namespace trimtab {

// theta for one (version, coefficients): the conditioned tensors mixed by Algorithm 2, joined with the shared ones of
// the version, which this object keeps alive. Immutable; thread-safe.
class MixedWeights {
 public:
  // Memory one mixture takes in this version (what a cache must reserve before Mix).
  static int64_t Bytes(const Parameters& parameters);

  // Mixes every conditioned tensor, one pass over memory each. ResourceExhausted when memory is short.
  // REQUIRES: coefficients.values().size() == parameters->clp().num_sets().
  static absl::StatusOr<std::shared_ptr<const MixedWeights>> Mix(std::shared_ptr<const Parameters> parameters,
                                                                 const Coefficients& coefficients, Backend* backend);

  const T5Weights& weights() const { return weights_; }
  const Parameters& parameters() const { return *parameters_; }
  const Coefficients& coefficients() const { return coefficients_; }
  int64_t bytes() const { return buffer_.bytes(); }

 private:
  MixedWeights(std::shared_ptr<const Parameters> parameters, Coefficients coefficients, Buffer buffer)
      : parameters_(std::move(parameters)), coefficients_(std::move(coefficients)), buffer_(std::move(buffer)) {}

  void MixTensors(Backend* backend);
  void MixMatrix(const ParameterTensor& tensor, Backend* backend, std::byte* out) const;
  void MixVector(const ParameterTensor& tensor, Backend* backend, float* out) const;

  std::shared_ptr<const Parameters> parameters_;
  Coefficients coefficients_;
  Buffer buffer_;  // All conditioned tensors but the embedding, one after the other.
  T5Weights weights_;
};

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_MIXED_WEIGHTS_H_
