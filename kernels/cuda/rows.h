// Row by row: the norm, and copies to where rows belong. Through a queue; pointers in device memory.
#ifndef TRIMTAB_KERNELS_CUDA_ROWS_H_
#define TRIMTAB_KERNELS_CUDA_ROWS_H_

#include <cstdint>

#include "kernels/backend.h"
#include "kernels/cuda/queue.h"

namespace trimtab::cuda {

// As Backend::RmsNorm says.
void RmsNorm(Rows x, int64_t dim, const float* gain, float epsilon, Rows y, Queue queue);
// As Backend::Scatter says; destinations[0, rows.count) in device memory too.
void Scatter(Rows rows, int64_t dim, float* const* destinations, Queue queue);

}  // namespace trimtab::cuda

#endif  // TRIMTAB_KERNELS_CUDA_ROWS_H_
