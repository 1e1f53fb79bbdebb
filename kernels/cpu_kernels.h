// Vectorised inner loops of the CPU backend, compiled once per instruction set and chosen once at start. Each works on
// one slice of an operation; cpu_backend.cc cuts operations into slices and hands them to threads.
#ifndef TRIMTAB_KERNELS_CPU_KERNELS_H_
#define TRIMTAB_KERNELS_CPU_KERNELS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "kernels/row_stride.h"

namespace trimtab {

// Outputs per panel of a packed matrix: panel p holds rows [32 p, 32 p + 32) of W, zero-padded, one after the other:
//   float32   (in, 32) floats
//   bfloat16  (in, 32) bfloat16; within 2 v outputs, v floats to a vector, in the order 0, v, 1, v + 1, ...: so that a
//             vector of 32-bit words widens to two vectors by a shift and a mask
//   int8      32 scales (float), then (in / 4 rounded up, 32, 4) bytes: w / scale + 128, so that a panel streams in
//             groups of four inputs as the multiply-add instructions take them
inline constexpr int64_t kPanel = 32;

// The header of an int8 panel.
inline constexpr int64_t kScaleBytes = kPanel * 4;

inline int64_t Panels(int64_t out) { return (out + kPanel - 1) / kPanel; }
inline int64_t PanelBytes(int64_t in, Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return in * kPanel * 4;
    case Precision::kBfloat16:
      return in * kPanel * 2;
    case Precision::kInt8:
      return kScaleBytes + (in + 3) / 4 * 4 * kPanel;
  }
  return 0;
}

// Rows of activations in int8: row r is scales[r] * its bytes. The bytes are the kernels' own affair.
struct QuantizedRows {
  std::byte* data = nullptr;
  int64_t stride = 0;          // Bytes from one row to the next; a multiple of 64.
  float* scales = nullptr;     // One per row.
  int32_t* offsets = nullptr;  // One per row: what the weights' offset of 128 adds to its sums.
  std::byte* row(int64_t r) const { return data + r * stride; }
};

// Room for 16 bits an element; as RowStride, which is in floats.
inline int64_t QuantizedStride(int64_t depth) { return RowStride((depth + 1) / 2) * 4; }

struct ProductKernels {
  // y[r][0, columns) = or += x[r] . panel, for each row r of y; columns <= 32. x rows have `depth` elements.
  void (*float32)(Rows x, int64_t depth, const std::byte* panel, int64_t columns, Rows y, Accumulate mode);
  void (*bfloat16)(Rows x, int64_t depth, const std::byte* panel, int64_t columns, Rows y, Accumulate mode);
  void (*int8)(const QuantizedRows& x, int64_t depth, const std::byte* panel, int64_t columns, Rows y, Accumulate mode);
  // A float32 panel to a bfloat16 panel.
  void (*pack_bfloat16)(const float* panel, int64_t in, uint16_t* out);
  // Fills row r of `q`.
  void (*quantize)(const float* x, int64_t depth, const QuantizedRows& q, int64_t r);
};

// out = sum_j coefficients[j] * sets[j] over n elements; all coefficients non-zero, at least one.
struct MixKernels {
  void (*float32)(const float* const* sets, const float* coefficients, int num_sets, int64_t n, float* out);
  void (*bfloat16)(const uint16_t* const* sets, const float* coefficients, int num_sets, int64_t n, uint16_t* out);
  // Neighbouring panels of float32 or bfloat16 sets to int8 panels.
  void (*panels_to_int8)(const std::byte* const* sets, Precision precision, const float* coefficients, int num_sets,
                         int64_t in, int64_t panels, std::byte* out);
};

struct VectorKernels {
  // y += scale * x over n elements.
  void (*add_scaled)(float scale, const float* x, int64_t n, float* y);
  void (*rms_norm)(const float* x, int64_t dim, const float* gain, float epsilon, float* y);
  // out = activation(gate), times `up` unless it is null. out may be gate.
  void (*activate)(Activation activation, const float* gate, const float* up, int64_t n, float* out);
  // scores[key] += bias[reach + clamp(key - position)] for n keys; `bias` is one head's row of the table.
  void (*add_bias)(const float* bias, int64_t reach, int64_t position, int64_t n, float* scores);
  // Softmax in place.
  void (*softmax)(float* scores, int64_t n);
  // Heads [first_head, first_head + heads) of one query over its keys; q and out are whole rows. `scores` is scratch
  // for heads * query.length floats.
  void (*attend_heads)(const float* q, const DecodeQuery& query, int32_t first_head, int32_t heads, int32_t head_dim,
                       float* scores, float* out);
};

struct CpuKernels {
  std::string instruction_set;
  ProductKernels product;
  MixKernels mix;
  VectorKernels vector;
};

// One per instruction set that this binary has and this CPU runs, the best first. Thread-safe.
const std::vector<CpuKernels>& AllCpuKernels();

// Of the instruction set that is chosen now; for AllCpuKernels.
ProductKernels ChosenProductKernels();
MixKernels ChosenMixKernels();
VectorKernels ChosenVectorKernels();

}  // namespace trimtab

#endif  // TRIMTAB_KERNELS_CPU_KERNELS_H_
