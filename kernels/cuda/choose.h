// Which token each row of logits writes next. On a stream; pointers in device memory.
#ifndef TRIMTAB_KERNELS_CUDA_CHOOSE_H_
#define TRIMTAB_KERNELS_CUDA_CHOOSE_H_

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/choice.h"

namespace trimtab::cuda {

// What the device says of one row.
struct Choice {
  double exp_sum = 0.0;  // sum(exp(scores - top)), of the row before anything is forbidden; if asked for.
  float top = 0.0f;
  float score = 0.0f;  // Of the chosen token.
  int64_t id = 0;
};

// exp_sum and top of the rows whose rules ask for log-probabilities.
void SumExps(Rows logits, int32_t vocab_size, const TokenRule* rules, int64_t count, Choice* choices,
             cudaStream_t stream);
// *places[i] = -infinity.
void Forbid(float* const* places, int64_t count, cudaStream_t stream);
// score and id. As kernels/choice.h says.
void Choose(Rows logits, int32_t vocab_size, const TokenRule* rules, int64_t count, Choice* choices,
            cudaStream_t stream);

}  // namespace trimtab::cuda

#endif  // TRIMTAB_KERNELS_CUDA_CHOOSE_H_
