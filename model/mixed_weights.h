#ifndef TRIMTAB_MODEL_MIXED_WEIGHTS_H_
#define TRIMTAB_MODEL_MIXED_WEIGHTS_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kernels/backend.h"
#include "model/parameters.h"
#include "model/t5_weights.h"
#include "model/weighting.h"

namespace trimtab {

// When the conditioned matrices of a theta are mixed.
enum class MixTime {
  kNow,  // Before anyone sees it.
  // By the engine, as its layers come to them: the encoder's at the first use for that use alone and at the second for
  // good, the decoder's for good while the article is read.
  kOnUse,
  kNever,  // Rows of the decoder run over the basis; the encoder's are mixed at each use and not kept.
};

// theta for one (version, coefficients): the conditioned tensors mixed by Algorithm 2, joined with the shared ones of
// the version, which this object keeps alive. Vectors are mixed from the start, whatever the time of matrices.
//
// kNow and kOnUse give the same bits. Thread-safe and immutable but for the matrices mixed on use: those belong to one
// engine.
class MixedWeights {
 public:
  // Memory one mixture takes in this version (what a cache must reserve), but for kNever, which takes next to none.
  static int64_t Bytes(const Parameters& parameters);

  // One pass over memory per tensor that is mixed now. ResourceExhausted when memory is short.
  // REQUIRES: coefficients.values().size() == parameters->clp().num_sets().
  static absl::StatusOr<std::shared_ptr<const MixedWeights>> Mix(std::shared_ptr<const Parameters> parameters,
                                                                 const Coefficients& coefficients, Backend* backend,
                                                                 MixTime when = MixTime::kNow);

  const T5Weights& weights() const { return weights_; }
  const Parameters& parameters() const { return *parameters_; }
  const Coefficients& coefficients() const { return coefficients_; }
  MixTime when() const { return when_; }
  // Spent by the engine on mixing matrices on use; for its thread.
  absl::Duration mix_time() const { return mix_time_; }
  int64_t bytes() const { return buffer_.bytes(); }

 private:
  MixedWeights(std::shared_ptr<const Parameters> parameters, Coefficients coefficients, MixTime when, Buffer buffer)
      : parameters_(std::move(parameters)),
        coefficients_(std::move(coefficients)),
        when_(when),
        buffer_(std::move(buffer)) {}

  void MixTensors(Backend* backend);
  WeightMatrix MakeMatrix(const ParameterTensor& tensor, Backend* backend, std::byte** next);
  const float* MakeVector(const ParameterTensor& tensor, Backend* backend, std::byte** next) const;

  std::shared_ptr<const Parameters> parameters_;
  Coefficients coefficients_;
  MixTime when_;
  Buffer buffer_;  // All conditioned tensors but the embedding, one after the other; without matrices if kNever.
  std::vector<MixState> states_;  // Of the matrices mixed on use.
  absl::Duration mix_time_;
  T5Weights weights_;
};

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_MIXED_WEIGHTS_H_
