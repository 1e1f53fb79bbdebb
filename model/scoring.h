#ifndef TRIMTAB_MODEL_SCORING_H_
#define TRIMTAB_MODEL_SCORING_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/backend.h"
#include "model/mixed_weights.h"

namespace trimtab {

// Logits (decoder_ids.size(), vocab_size) of teacher forcing: row t predicts what follows decoder_ids[0..t].
// REQUIRES: decoder_ids starts with the decoder start token; all ids are below the vocabulary's size.
absl::StatusOr<std::vector<float>> TeacherForcedLogits(const MixedWeights& weights, std::span<const int32_t> input_ids,
                                                       std::span<const int32_t> decoder_ids, Backend* backend);

// An article and what followed it.
struct ScoredSequence {
  std::span<const int32_t> input_ids;
  std::span<const int32_t> targets;  // Without the decoder start token. Not empty.
};

// log pi(targets[t] | input_ids, targets before t) of every sequence, in one pass over many of them and over all their
// steps. REQUIRES: all ids are below the vocabulary's size.
absl::StatusOr<std::vector<std::vector<float>>> TargetLogProbs(const MixedWeights& weights,
                                                               std::span<const ScoredSequence> sequences,
                                                               Backend* backend);

// The encoder's output (input_ids.size(), d_model), after its final norm.
absl::StatusOr<std::vector<float>> EncoderOutput(const MixedWeights& weights, std::span<const int32_t> input_ids,
                                                 Backend* backend);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_SCORING_H_
