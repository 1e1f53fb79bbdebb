#ifndef TRIMTAB_MODEL_GENERATION_H_
#define TRIMTAB_MODEL_GENERATION_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"

namespace trimtab {

// How a summary is written. Greedy unless `num_beams` > 1 or `temperature` > 0.
struct GenerationOptions {
  int32_t max_new_tokens = 64;       // [1, 1024], EOS included.
  int32_t min_new_tokens = 0;        // [0, max_new_tokens]: EOS is not chosen before.
  int32_t num_beams = 1;             // [1, 8]; more than 1 excludes sampling.
  float length_penalty = 1.0f;       // [-4, 4]: beam scores are divided by length^penalty.
  int32_t no_repeat_ngram_size = 0;  // [0, 16]; 0: off.
  float temperature = 0.0f;          // [0, 10]; 0: greedy.
  int32_t top_k = 0;                 // [0, vocabulary]; 0: off.
  float top_p = 1.0f;                // (0, 1]
  uint64_t seed = 0;                 // Of the counter-based generator: same seed, same summary, in any batch.
  bool log_probs = false;            // Report the log-probability of every generated token.
};

// InvalidArgument naming "options.<field>" (see field_error.h) for a value out of its range.
absl::Status ValidateGenerationOptions(const GenerationOptions& options, int32_t vocab_size);

enum class FinishReason { kEos, kLength };

// What one request generated.
struct Generation {
  std::vector<int32_t> tokens;   // Without the start token; with EOS when that ended it.
  std::vector<float> log_probs;  // One per token under the model's own distribution (before temperature, top-k,
                                 // top-p); empty unless asked for.
  FinishReason finish_reason = FinishReason::kLength;
  double score = 0.0;  // Beam search: sum of log-probabilities / length^penalty. Otherwise 0.
};

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_GENERATION_H_
