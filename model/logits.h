// Pure functions on one row of logits.
#ifndef TRIMTAB_MODEL_LOGITS_H_
#define TRIMTAB_MODEL_LOGITS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "model/generation.h"

namespace trimtab {

// Sets to -infinity what may not follow `written`: EOS before min_new_tokens, and tokens that would repeat an n-gram.
// N-grams count the decoder's start token, as `start` + `written`.
void MaskForbidden(const GenerationOptions& options, int32_t eos_id, int32_t start, std::span<const int32_t> written,
                   std::span<float> scores);

// The first of the largest.
int32_t ArgMax(std::span<const float> scores);

// log(sum(exp(scores))), in double, from the largest down: scores[i] minus this is the log-probability of i.
double LogSumExp(std::span<const float> scores);

// Draws a token from softmax(scores / temperature) cut by top_k, then top_p (the smallest set of likeliest tokens that
// reaches it). The random number depends on (seed, step) alone. Ties go to the smaller id. REQUIRES: temperature > 0.
int32_t Sample(const GenerationOptions& options, uint64_t step, std::span<const float> scores);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_LOGITS_H_
