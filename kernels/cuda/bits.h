// Rounding, on the device: the same as kernels/precision.h says for the host.
#ifndef TRIMTAB_KERNELS_CUDA_BITS_H_
#define TRIMTAB_KERNELS_CUDA_BITS_H_

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/precision.h"

namespace trimtab::cuda {

__device__ inline uint32_t Bfloat16Bits(float value) {
  const uint32_t bits = __float_as_uint(value);
  return (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
}
__device__ inline float FromBfloat16Bits(uint32_t bits) { return __uint_as_float(bits << 16); }

// The leading bits that a tensor core reads of a float: 8 of the significand for bfloat16, 11 for tf32. Cutting, unlike
// rounding, never overflows, and what is cut off is a float again, exactly.
__device__ inline float LeadingBfloat16(float value) { return __uint_as_float(__float_as_uint(value) & 0xffff0000u); }
__device__ inline float LeadingTf32(float value) { return __uint_as_float(__float_as_uint(value) & 0xffffe000u); }

// Symmetric int8 of values up to `top`: value / scale to the nearest, halves to even.
struct Int8Scale {
  float scale, inverse;
};
__device__ inline Int8Scale ScaleFor(float top) {
  if (top < kLeastQuantizable) return {0.0f, 0.0f};
  return {top / 127.0f, 127.0f / top};
}
__device__ inline int8_t ToInt8(float value, Int8Scale scale) {
  return static_cast<int8_t>(rintf(value * scale.inverse));
}

}  // namespace trimtab::cuda

#endif  // TRIMTAB_KERNELS_CUDA_BITS_H_
