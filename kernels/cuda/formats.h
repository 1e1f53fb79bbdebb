// What differs between the precisions of a product: how words of weights (a) and of both planes of activations (b) are
// multiplied, and what a sum means.
#ifndef TRIMTAB_KERNELS_CUDA_FORMATS_H_
#define TRIMTAB_KERNELS_CUDA_FORMATS_H_

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/bits.h"
#include "kernels/cuda/mma.h"

namespace trimtab::cuda {

// Both operands in two halves of 11 bits; only the product of the two lower ones, 2^-22 of the whole, is left out.
struct Float32Format {
  using Sum = float;
  static constexpr int kPlanes = 2;
  __device__ static void MultiplyAdd(const uint32_t (&a)[4], const uint32_t (&b)[2][2], float (&d)[4]) {
    uint32_t leading[4], rest[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float value = __uint_as_float(a[i]), first = LeadingTf32(value);
      leading[i] = __float_as_uint(first);
      rest[i] = __float_as_uint(value - first);
    }
    MultiplyAddTf32(rest, b[0], d);
    MultiplyAddTf32(leading, b[1], d);
    MultiplyAddTf32(leading, b[0], d);
  }
  __device__ static float Value(float sum, float, float) { return sum; }
};

// Weights are 8 bits wide; activations come in two halves of 8.
struct Bfloat16Format {
  using Sum = float;
  static constexpr int kPlanes = 2;
  __device__ static void MultiplyAdd(const uint32_t (&a)[4], const uint32_t (&b)[2][2], float (&d)[4]) {
    MultiplyAddBfloat16(a, b[1], d);
    MultiplyAddBfloat16(a, b[0], d);
  }
  __device__ static float Value(float sum, float, float) { return sum; }
};

// Exact sums.
struct Int8Format {
  using Sum = int32_t;
  static constexpr int kPlanes = 1;
  __device__ static void MultiplyAdd(const uint32_t (&a)[4], const uint32_t (&b)[1][2], int32_t (&d)[4]) {
    MultiplyAddInt8(a, b[0], d);
  }
  __device__ static float Value(int32_t sum, float x_scale, float w_scale) {
    return static_cast<float>(sum) * (x_scale * w_scale);
  }
};

}  // namespace trimtab::cuda

#endif  // TRIMTAB_KERNELS_CUDA_FORMATS_H_
