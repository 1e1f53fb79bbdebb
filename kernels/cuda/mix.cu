// One pass over memory: k sets of n elements of b bytes cost (k + 1) n b bytes, b / 4 of it for an int8 result.
// FLAN-T5-base attn-CLP with 3 sets in bfloat16 (85 M elements): 680 MB, 0.20 ms at the 3.35 TB/s of an H100. That is
// the bound; the arithmetic, k multiply-adds an element, is nothing beside it.
#include "kernels/cuda/bits.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/layout.h"
#include "kernels/cuda/mix.h"

namespace trimtab::cuda {
namespace {

constexpr int kThreads = 256;

template <typename T>
__device__ const T* SetOf(const UsedSets& sets, int j) {
  return reinterpret_cast<const T*>(sets.data[j]);
}

__device__ inline float Widen(float value) { return value; }
__device__ inline float Widen(uint16_t value) { return FromBfloat16Bits(value); }

// The sum at element i, in the order of the sets, the first product added to nothing. Every mixing kernel adds so.
template <typename T>
__device__ float MixedAt(const UsedSets& sets, int64_t i) {
  float sum = sets.coefficients[0] * Widen(SetOf<T>(sets, 0)[i]);
  for (int j = 1; j < sets.count; ++j) sum = fmaf(sets.coefficients[j], Widen(SetOf<T>(sets, j)[i]), sum);
  return sum;
}

// 16 bytes: 4 floats or 8 bfloat16.
__device__ inline void MixWord(float coefficient, uint32_t word, bool first, float (&sum)[1]) {
  const float value = __uint_as_float(word);
  sum[0] = first ? coefficient * value : fmaf(coefficient, value, sum[0]);
}
__device__ inline void MixWord(float coefficient, uint32_t word, bool first, float (&sum)[2]) {
  const float low = FromBfloat16Bits(word & 0xffffu), high = FromBfloat16Bits(word >> 16);
  sum[0] = first ? coefficient * low : fmaf(coefficient, low, sum[0]);
  sum[1] = first ? coefficient * high : fmaf(coefficient, high, sum[1]);
}
__device__ inline uint32_t Narrow(const float (&sum)[1]) { return __float_as_uint(sum[0]); }
__device__ inline uint32_t Narrow(const float (&sum)[2]) { return Bfloat16Bits(sum[0]) | Bfloat16Bits(sum[1]) << 16; }

template <int kPerWord, typename Load>
__device__ uint4 MixVector(const UsedSets& sets, int count, Load load) {
  float x[kPerWord] = {}, y[kPerWord] = {}, z[kPerWord] = {}, w[kPerWord] = {};
#pragma unroll
  for (int j = 0; j < count; ++j) {
    const uint4 words = load(j);
    const float c = sets.coefficients[j];
    MixWord(c, words.x, j == 0, x);
    MixWord(c, words.y, j == 0, y);
    MixWord(c, words.z, j == 0, z);
    MixWord(c, words.w, j == 0, w);
  }
  return {Narrow(x), Narrow(y), Narrow(z), Narrow(w)};
}

// `vectors` times 16 bytes. With kSets known all loads of a thread are under way before the first is used; 0: any
// number.
template <int kPerWord, int kSets>
__global__ void __launch_bounds__(kThreads)
    MixVectors(const __grid_constant__ UsedSets sets, int64_t vectors, uint4* out) {
  const int64_t stride = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < vectors; i += stride) {
    if constexpr (kSets > 0) {
      uint4 words[kSets];
#pragma unroll
      for (int j = 0; j < kSets; ++j) words[j] = SetOf<uint4>(sets, j)[i];
      out[i] = MixVector<kPerWord>(sets, kSets, [&](int j) { return words[j]; });
    } else {
      out[i] = MixVector<kPerWord>(sets, sets.count, [&](int j) { return SetOf<uint4>(sets, j)[i]; });
    }
  }
}

template <int kPerWord>
void LaunchMixVectors(const UsedSets& sets, int64_t vectors, void* out, Queue queue) {
  if (vectors == 0) return;
  const Launch launch{dim3(StridingBlocks(vectors, kThreads)), kThreads, 0, queue};
  auto* const to = static_cast<uint4*>(out);
  switch (sets.count) {
    case 1:
      return launch(MixVectors<kPerWord, 1>, sets, vectors, to);
    case 2:
      return launch(MixVectors<kPerWord, 2>, sets, vectors, to);
    case 3:
      return launch(MixVectors<kPerWord, 3>, sets, vectors, to);
    case 4:
      return launch(MixVectors<kPerWord, 4>, sets, vectors, to);
    case 5:
      return launch(MixVectors<kPerWord, 5>, sets, vectors, to);
    default:
      return launch(MixVectors<kPerWord, 0>, sets, vectors, to);
  }
}

// Elements that no vector holds: the last of a vector of floats, or all where some set is not on 16 bytes.
__global__ void __launch_bounds__(kThreads)
    MixElements(const __grid_constant__ UsedSets sets, int64_t begin, int64_t end, float* out) {
  const int64_t stride = int64_t{gridDim.x} * kThreads;
  for (int64_t i = begin + int64_t{blockIdx.x} * kThreads + threadIdx.x; i < end; i += stride) {
    out[i] = MixedAt<float>(sets, i);
  }
}

__global__ void __launch_bounds__(kThreads)
    EmbedRows(const __grid_constant__ UsedSets sets, int64_t dim, const int32_t* ids, float* out, int64_t out_stride) {
  const int64_t row = blockIdx.x, from = ids[row] * dim;
  for (int64_t i = threadIdx.x; i < dim; i += kThreads) out[row * out_stride + i] = MixedAt<float>(sets, from + i);
}

// A block turns one row of `columns` values into int8: once to find the largest, once to round. The second reading of
// the sets comes from the first cache.
template <typename ValueAt>
__device__ void RowToInt8(ValueAt value_at, int64_t columns, int64_t padded, float* scale, int8_t* out) {
  float top = 0.0f;
  for (int64_t i = threadIdx.x; i < columns; i += kThreads) top = fmaxf(top, fabsf(value_at(i)));
  const Int8Scale by = ScaleFor(BlockMax(top, SharedMemory<float>()));
  for (int64_t i = threadIdx.x; i < padded; i += kThreads) out[i] = i < columns ? ToInt8(value_at(i), by) : 0;
  if (threadIdx.x == 0) *scale = by.scale;
}

struct Int8Matrix {
  float* scales;
  int8_t* rows;
  int64_t row_bytes;
};

Int8Matrix Int8Of(const PackedShape& shape, std::byte* packed) {
  return {reinterpret_cast<float*>(packed), reinterpret_cast<int8_t*>(packed + shape.scale_bytes), shape.row_bytes};
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    MixToInt8(const __grid_constant__ UsedSets sets, int64_t from_row_elements, int64_t columns, Int8Matrix to) {
  const int64_t row = blockIdx.x;
  RowToInt8([&](int64_t i) { return MixedAt<T>(sets, row * from_row_elements + i); }, columns, to.row_bytes,
            to.scales + row, to.rows + row * to.row_bytes);
}

// Blocks beyond `rows` write zeros.
__global__ void __launch_bounds__(kThreads) PackToInt8(const float* w, int64_t rows, int64_t columns, Int8Matrix to) {
  const int64_t row = blockIdx.x;
  RowToInt8([&](int64_t i) { return w[row * columns + i]; }, row < rows ? columns : 0, to.row_bytes, to.scales + row,
            to.rows + row * to.row_bytes);
}

__device__ inline void Store(float value, float* to) { *to = value; }
__device__ inline void Store(float value, uint16_t* to) { *to = static_cast<uint16_t>(Bfloat16Bits(value)); }

template <typename T>
__global__ void __launch_bounds__(kThreads)
    PackElements(const float* w, int64_t rows, int64_t columns, T* to, int64_t row_elements) {
  const int64_t row = blockIdx.x;
  for (int64_t i = threadIdx.x; i < row_elements; i += kThreads) {
    Store(row < rows && i < columns ? w[row * columns + i] : 0.0f, to + row * row_elements + i);
  }
}

constexpr size_t kReduceBytes = kThreads / kWarpSize * sizeof(float);

bool OnVectors(const UsedSets& sets, const void* out) {
  uintptr_t bits = reinterpret_cast<uintptr_t>(out);
  for (int j = 0; j < sets.count; ++j) bits |= reinterpret_cast<uintptr_t>(sets.data[j]);
  return bits % sizeof(uint4) == 0;
}

template <typename DataOf>
UsedSets Used(std::span<const float> coefficients, DataOf data_of) {
  UsedSets used = {};
  for (size_t j = 0; j < coefficients.size(); ++j) {
    if (coefficients[j] == 0.0f) continue;
    used.data[used.count] = data_of(j);
    used.coefficients[used.count++] = coefficients[j];
  }
  return used;
}

}  // namespace

UsedSets UsedSets::Of(std::span<const float* const> sets, std::span<const float> coefficients) {
  return Used(coefficients, [&](size_t j) { return reinterpret_cast<const std::byte*>(sets[j]); });
}

UsedSets UsedSets::Of(std::span<const PackedMatrix> sets, std::span<const float> coefficients) {
  return Used(coefficients, [&](size_t j) { return sets[j].data; });
}

void Mix(const UsedSets& sets, int64_t n, float* out, Queue queue) {
  const int64_t vectors = OnVectors(sets, out) ? n / 4 : 0, left = n - 4 * vectors;
  LaunchMixVectors<1>(sets, vectors, out, queue);
  if (left == 0) return;
  Launch{dim3(StridingBlocks(left, kThreads)), kThreads, 0, queue}(MixElements, sets, 4 * vectors, n, out);
}

void MixMatrix(const UsedSets& sets, const PackedMatrix& shape, Precision precision, std::byte* packed, Queue queue) {
  const PackedShape from = ShapeOf(shape.out, shape.in, shape.precision);
  if (precision == Precision::kFloat32) return LaunchMixVectors<1>(sets, from.bytes() / 16, packed, queue);
  if (precision == Precision::kBfloat16) return LaunchMixVectors<2>(sets, from.bytes() / 16, packed, queue);
  const Int8Matrix to = Int8Of(ShapeOf(shape.out, shape.in, Precision::kInt8), packed);
  const Launch launch{dim3(static_cast<unsigned>(from.rows)), kThreads, kReduceBytes, queue};
  if (shape.precision == Precision::kFloat32) {
    launch(MixToInt8<float>, sets, from.row_bytes / 4, shape.in, to);
  } else {
    launch(MixToInt8<uint16_t>, sets, from.row_bytes / 2, shape.in, to);
  }
}

void Embed(const UsedSets& sets, int64_t dim, const int32_t* ids, int64_t count, Rows out, Queue queue) {
  if (count == 0) return;
  Launch{dim3(static_cast<unsigned>(count)), kThreads, 0, queue}(EmbedRows, sets, dim, ids, out.data, out.stride);
}

void PackRows(const float* w, int64_t first, int64_t rows, int64_t out, int64_t in, Precision precision,
              std::byte* packed, Queue queue) {
  const PackedShape shape = ShapeOf(out, in, precision);
  const int64_t written = first + rows == out ? shape.rows - first : rows;
  std::byte* const place = packed + shape.scale_bytes + first * shape.row_bytes;
  const Launch launch{dim3(static_cast<unsigned>(written)), kThreads, kReduceBytes, queue};
  if (precision == Precision::kFloat32) {
    launch(PackElements<float>, w, rows, in, reinterpret_cast<float*>(place), shape.row_bytes / 4);
  } else if (precision == Precision::kBfloat16) {
    launch(PackElements<uint16_t>, w, rows, in, reinterpret_cast<uint16_t*>(place), shape.row_bytes / 2);
  } else {
    const Int8Matrix whole = Int8Of(shape, packed);
    launch(PackToInt8, w, rows, in,
           Int8Matrix{whole.scales + first, reinterpret_cast<int8_t*>(place), shape.row_bytes});
  }
}

}  // namespace trimtab::cuda
