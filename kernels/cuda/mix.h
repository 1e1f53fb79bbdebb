// Weighted sums of sets, and the packing of matrices, through a queue.
#ifndef TRIMTAB_KERNELS_CUDA_MIX_H_
#define TRIMTAB_KERNELS_CUDA_MIX_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/backend.h"
#include "kernels/cuda/queue.h"

namespace trimtab::cuda {

// The sets whose coefficient is not 0.
struct UsedSets {
  const std::byte* data[kMaxSets];
  float coefficients[kMaxSets];
  int count = 0;

  static UsedSets Of(std::span<const float* const> sets, std::span<const float> coefficients);
  static UsedSets Of(std::span<const PackedMatrix> sets, std::span<const float> coefficients);
};

// As Backend::Mix, ::MixMatrix and ::Embed say; everything but the spans is in device memory.
void Mix(const UsedSets& sets, int64_t n, float* out, Queue queue);
void MixMatrix(const UsedSets& sets, const PackedMatrix& shape, Precision precision, std::byte* packed, Queue queue);
// `ids` in device memory.
void Embed(const UsedSets& sets, int64_t dim, const int32_t* ids, int64_t count, Rows out, Queue queue);

// Rows [first, first + rows) of row-major `w` (rows, in) to their places in the packed form of an (out, in) matrix; the
// rows that pad `out` too where they follow.
void PackRows(const float* w, int64_t first, int64_t rows, int64_t out, int64_t in, Precision precision,
              std::byte* packed, Queue queue);

}  // namespace trimtab::cuda

#endif  // TRIMTAB_KERNELS_CUDA_MIX_H_
