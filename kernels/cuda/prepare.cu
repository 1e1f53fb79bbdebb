// One pass over the activations of a product: (in, rows) floats read, as many bytes written (int8: a quarter).
#include "kernels/cuda/bits.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/layout.h"
#include "kernels/cuda/product.h"

namespace trimtab::cuda {
namespace {

constexpr int kThreads = 256;

__device__ float ValueAt(const float* row, int64_t in, int64_t i) { return i < in ? row[i] : 0.0f; }

__global__ void __launch_bounds__(kThreads) SplitFloat32(Rows x, int64_t in, PreparedRows to) {
  const float* const row = x.data + blockIdx.x * x.stride;
  auto* const leading = reinterpret_cast<float*>(to.data + blockIdx.x * to.row_bytes);
  auto* const rest = reinterpret_cast<float*>(to.data + to.plane_bytes + blockIdx.x * to.row_bytes);
  for (int64_t i = threadIdx.x; i < to.row_bytes / 4; i += kThreads) {
    const float value = ValueAt(row, in, i);
    leading[i] = LeadingTf32(value);
    rest[i] = value - leading[i];
  }
}

__global__ void __launch_bounds__(kThreads) SplitBfloat16(Rows x, int64_t in, PreparedRows to) {
  const float* const row = x.data + blockIdx.x * x.stride;
  auto* const leading = reinterpret_cast<uint16_t*>(to.data + blockIdx.x * to.row_bytes);
  auto* const rest = reinterpret_cast<uint16_t*>(to.data + to.plane_bytes + blockIdx.x * to.row_bytes);
  for (int64_t i = threadIdx.x; i < to.row_bytes / 2; i += kThreads) {
    const float value = ValueAt(row, in, i), first = LeadingBfloat16(value);
    leading[i] = static_cast<uint16_t>(Bfloat16Bits(first));
    rest[i] = static_cast<uint16_t>(Bfloat16Bits(value - first));
  }
}

__global__ void __launch_bounds__(kThreads) QuantizeInt8(Rows x, int64_t in, PreparedRows to) {
  const float* const row = x.data + blockIdx.x * x.stride;
  auto* const out = reinterpret_cast<int8_t*>(to.data + blockIdx.x * to.row_bytes);
  float top = 0.0f;
  for (int64_t i = threadIdx.x; i < in; i += kThreads) top = fmaxf(top, fabsf(row[i]));
  const Int8Scale by = ScaleFor(BlockMax(top, SharedMemory<float>()));
  for (int64_t i = threadIdx.x; i < to.row_bytes; i += kThreads) out[i] = ToInt8(ValueAt(row, in, i), by);
  if (threadIdx.x == 0) to.scales[blockIdx.x] = by.scale;
}

int64_t Planes(Precision precision) { return precision == Precision::kInt8 ? 1 : 2; }
int64_t RowBytes(int64_t in, Precision precision) { return RoundUp(in * ElementBytes(precision), kLineBytes); }

constexpr int64_t kMostTileRows = 64;

// The smallest that holds so many.
int64_t TileRows(int64_t rows) {
  int64_t tile = 8;
  while (tile < rows && tile < kMostTileRows) tile *= 2;
  return tile;
}

}  // namespace

int64_t MostPrepared(int64_t bytes, int64_t in, Precision precision) {
  const int64_t rows = bytes / (Planes(precision) * RowBytes(in, precision) + int64_t{sizeof(float)});
  return rows >= kMostTileRows ? rows / kMostTileRows * kMostTileRows : TileRows(rows / 2 + 1);
}

PreparedRows Prepare(Rows x, int64_t in, Precision precision, std::byte* scratch, Queue queue) {
  PreparedRows to;
  to.count = x.count;
  to.row_bytes = RowBytes(in, precision);
  to.tile_rows = TileRows(x.count);
  to.plane_bytes = RoundUp(x.count, to.tile_rows) * to.row_bytes;
  to.data = scratch;
  to.scales = reinterpret_cast<float*>(scratch + Planes(precision) * to.plane_bytes);
  const Launch launch{dim3(static_cast<unsigned>(x.count)), kThreads, kThreads / kWarpSize * sizeof(float), queue};
  switch (precision) {
    case Precision::kFloat32:
      launch(SplitFloat32, x, in, to);
      break;
    case Precision::kBfloat16:
      launch(SplitBfloat16, x, in, to);
      break;
    case Precision::kInt8:
      launch(QuantizeInt8, x, in, to);
      break;
  }
  return to;
}

}  // namespace trimtab::cuda
