// How the CUDA backend packs a matrix: rows of W one after the other, each padded with zeros to whole lines of 128
// bytes, and their number to a multiple of 16, what one multiply-add of the tensor cores takes. In int8 all scales
// (float, one per row) go first. So a warp reads a line of 8 rows at once, 16 aligned bytes a lane.
#ifndef TRIMTAB_KERNELS_CUDA_LAYOUT_H_
#define TRIMTAB_KERNELS_CUDA_LAYOUT_H_

#include <cstdint>

#include "kernels/precision.h"

namespace trimtab::cuda {

inline constexpr int64_t kLineBytes = 128;
inline constexpr int64_t kTileOutputs = 16;

constexpr int64_t ElementBytes(Precision precision) {
  return precision == Precision::kFloat32 ? 4 : precision == Precision::kBfloat16 ? 2 : 1;
}
constexpr int64_t RoundUp(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

struct PackedShape {
  int64_t rows = 0;       // Padded.
  int64_t row_bytes = 0;  // Padded.
  int64_t scale_bytes = 0;
  int64_t bytes() const { return scale_bytes + rows * row_bytes; }
};

constexpr PackedShape ShapeOf(int64_t out, int64_t in, Precision precision) {
  const int64_t rows = RoundUp(out, kTileOutputs);
  return {rows, RoundUp(in * ElementBytes(precision), kLineBytes), precision == Precision::kInt8 ? rows * 4 : 0};
}

}  // namespace trimtab::cuda

#endif  // TRIMTAB_KERNELS_CUDA_LAYOUT_H_
