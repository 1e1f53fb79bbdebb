// Which token each row of logits writes next. Through a queue; pointers in device memory.
#ifndef TRIMTAB_KERNELS_CUDA_CHOOSE_H_
#define TRIMTAB_KERNELS_CUDA_CHOOSE_H_

#include <cstdint>

#include "kernels/choice.h"
#include "kernels/cuda/queue.h"

namespace trimtab::cuda {

// What the device says of one token.
struct Choice {
  double exp_sum = 0.0;  // sum(exp(scores - top)), of the row before anything is forbidden; of the rule's first token,
  float top = 0.0f;      // if asked for.
  float score = 0.0f;    // Of the token.
  int64_t id = 0;
};

// A rule, and where what it chooses goes.
struct PlacedRule {
  TokenRule rule;
  int64_t first = 0;  // Of the choices.
};

// As RowMix says; coefficients in device memory too.
void MixRow(Rows logits, int32_t vocab_size, int64_t row, const float* coefficients, int64_t count, Queue queue);
// exp_sum and top of the rows whose rules ask for log-probabilities.
void SumExps(Rows logits, int32_t vocab_size, const PlacedRule* rules, int64_t count, Choice* choices, Queue queue);
// *places[i] = -infinity.
void Forbid(float* const* places, int64_t count, Queue queue);
// score and id. As kernels/choice.h says.
void Choose(Rows logits, int32_t vocab_size, const PlacedRule* rules, int64_t count, Choice* choices, Queue queue);

}  // namespace trimtab::cuda

#endif  // TRIMTAB_KERNELS_CUDA_CHOOSE_H_
