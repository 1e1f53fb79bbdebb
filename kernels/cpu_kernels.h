// Vectorised inner loops of the CPU backend, compiled once per instruction set and chosen once at start. Each works on
// one slice of an operation; cpu_backend.cc cuts operations into slices and hands them to threads.
#ifndef TRIMTAB_KERNELS_CPU_KERNELS_H_
#define TRIMTAB_KERNELS_CPU_KERNELS_H_

#include <cstdint>
#include <span>

#include "kernels/backend.h"

namespace trimtab {

// Outputs per panel of a packed matrix: panel p holds rows [32 p, 32 p + 32) of W as (in, 32), zero-padded.
inline constexpr int64_t kPanel = 32;

struct CpuKernels {
  // out = sum_j coefficients[j] * sets[j]; all coefficients non-zero, at least one.
  void (*mix)(const float* const* sets, const float* coefficients, int num_sets, int64_t n, float* out);

  // y[r][0, columns) = or += x[r] . panel, for each row; x rows have `depth` elements, columns <= 32.
  void (*panel_product)(Rows x, int64_t depth, const float* panel, int64_t columns, Rows y, Accumulate mode);

  void (*rms_norm)(const float* x, int64_t dim, const float* gain, float epsilon, float* y);
  void (*activate)(Activation activation, const float* gate, const float* up, int64_t n, float* out);

  // Softmax in place.
  void (*softmax)(float* scores, int64_t n);

  // One head of one query over its keys; `scores` is scratch for query.length floats, `bias` the head's row of the
  // table.
  void (*attend_one)(const float* q, const float* keys, const float* values, const DecodeQuery& query,
                     const float* bias, int32_t head_dim, float* scores, float* out);

  const char* target;  // Name of the instruction set.
};

// The best this CPU runs. Thread-safe.
const CpuKernels& BestCpuKernels();

}  // namespace trimtab

#endif  // TRIMTAB_KERNELS_CPU_KERNELS_H_
