#ifndef TRIMTAB_MODEL_LOGITS_H_
#define TRIMTAB_MODEL_LOGITS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/choice.h"
#include "model/generation.h"

namespace trimtab {

// Appends what may not follow `written` and then `guessed`, for that row of logits: EOS before min_new_tokens, and
// tokens that would repeat an n-gram. N-grams count the decoder's start token, as `start` + `written` + `guessed`.
void AppendForbidden(const GenerationOptions& options, int32_t eos_id, int32_t start, std::span<const int32_t> written,
                     std::span<const int32_t> guessed, int64_t row, std::vector<ForbiddenToken>* forbidden);

// How the token number `step` is chosen. Its random number depends on (seed, step) alone, whatever the batch.
TokenRule RuleFor(const GenerationOptions& options, uint64_t step, int64_t row);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_LOGITS_H_
