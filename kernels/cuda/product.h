// Products of activations and packed matrices, through a queue.
#ifndef TRIMTAB_KERNELS_CUDA_PRODUCT_H_
#define TRIMTAB_KERNELS_CUDA_PRODUCT_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/backend.h"
#include "kernels/cuda/queue.h"

namespace trimtab::cuda {

// Rows of activations as the tensor cores take them, in scratch memory: each padded with zeros to whole lines.
//   float32    two planes: the leading 11 bits of each value as a float, then what is left of it
//   bfloat16   two planes: the leading 8 bits of each value, then what is left, as bfloat16
//   int8       one plane, and one scale per row
struct PreparedRows {
  std::byte* data = nullptr;
  float* scales = nullptr;
  int64_t row_bytes = 0;
  int64_t plane_bytes = 0;
  int64_t count = 0;      // Of rows.
  int64_t tile_rows = 0;  // Of a block: 8, 16, 32 or 64. Memory is there for whole tiles; no row, no defined values.
};

// Rows that Prepare has room for in `bytes` of scratch: 8, 16, 32 or a multiple of 64. REQUIRES: room for 8.
int64_t MostPrepared(int64_t bytes, int64_t in, Precision precision);
PreparedRows Prepare(Rows x, int64_t in, Precision precision, std::byte* scratch, Queue queue);

// As Backend::MatMul and ::ActivatedMatMul say, for the prepared x.
void Multiply(const PreparedRows& x, std::span<const Product> products, Rows coefficients, Queue queue);
void ActivatedMultiply(const PreparedRows& x, const Operand& w, const Operand& up, Activation activation, Rows y,
                       Rows coefficients, Queue queue);

}  // namespace trimtab::cuda

#endif  // TRIMTAB_KERNELS_CUDA_PRODUCT_H_
