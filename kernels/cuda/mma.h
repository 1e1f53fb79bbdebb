// Multiply-adds of the tensor cores (compute capability 8.0 and later), all lanes of a warp together: d += a b, with
// a (16, 8 words), b (8 words, 8) and d (16, 8). A word holds 1 value (tf32: a float whose low 13 bits are not read), 2
// (bfloat16) or 4 (int8) that are multiplied pairwise. With g = lane / 4 and t = lane % 4, a lane holds
//   a[0..3] = rows g, g + 8, g, g + 8 of words t, t, t + 4, t + 4
//   b[0..1] = words t, t + 4 of column g
//   d[0..3] = (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1)
// Which words of the inputs these are is the caller's choice, as long as it is the same for a and b: a sum does not
// depend on how its terms are numbered.
#ifndef TRIMTAB_KERNELS_CUDA_MMA_H_
#define TRIMTAB_KERNELS_CUDA_MMA_H_

#include <cuda_runtime.h>

#include <cstdint>

namespace trimtab::cuda {

#ifdef __CUDACC__
#define TRIMTAB_MMA(shape_and_types, letter)                                                                \
  asm volatile("mma.sync.aligned." shape_and_types " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};" \
               : "+" letter(d[0]), "+" letter(d[1]), "+" letter(d[2]), "+" letter(d[3])                     \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
#endif

__device__ inline void MultiplyAddTf32(const uint32_t (&a)[4], const uint32_t (&b)[2], float (&d)[4]) {
#ifdef __CUDACC__
  TRIMTAB_MMA("m16n8k8.row.col.f32.tf32.tf32.f32", "f");
#else
  cuda_emulation::MultiplyAdd<float>(a, b, d);
#endif
}

__device__ inline void MultiplyAddBfloat16(const uint32_t (&a)[4], const uint32_t (&b)[2], float (&d)[4]) {
#ifdef __CUDACC__
  TRIMTAB_MMA("m16n8k16.row.col.f32.bf16.bf16.f32", "f");
#else
  cuda_emulation::MultiplyAdd<uint16_t>(a, b, d);
#endif
}

__device__ inline void MultiplyAddInt8(const uint32_t (&a)[4], const uint32_t (&b)[2], int32_t (&d)[4]) {
#ifdef __CUDACC__
  TRIMTAB_MMA("m16n8k32.row.col.s32.s8.s8.s32", "r");
#else
  cuda_emulation::MultiplyAdd<int8_t>(a, b, d);
#endif
}

}  // namespace trimtab::cuda

#endif  // TRIMTAB_KERNELS_CUDA_MMA_H_
