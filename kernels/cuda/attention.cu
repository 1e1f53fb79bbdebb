// A block takes one head of one tile. Each of its warps walks every eighth key with a running maximum, sum and output
// (the online softmax), lanes along the head's dimension, so that a key and a value are read once, in whole lines, for
// up to 4 queries. The warps' results meet in shared memory in the order of the warps. What a query gets depends on its
// own keys alone: on no other row, nor on its place in the batch.
//
// Bound: keys and values once per tile, 8 length head_dim bytes per head, from memory in the decoder; the encoder's
// come from the second cache, a quarter of what single queries would read.
#include "kernels/cuda/attention.h"
#include "kernels/cuda/launch.h"

namespace trimtab::cuda {
namespace {

constexpr int kWarps = 8;
constexpr int kThreads = kWarps * kWarpSize;
constexpr float kLowest = -3.402823466e38f;

// What a warp knows of one query: lane l holds dimensions l, l + 32, ... of the output, from the slice's first on.
template <int kDims>
struct Running {
  float top = kLowest;
  float sum = 0.0f;
  float out[kDims] = {};
};

__device__ inline float BiasAt(const RelativeBias& bias, int head, int64_t distance) {
  if (bias.table == nullptr) return 0.0f;
  const int64_t reach = bias.reach;
  const int64_t clipped = distance < -reach ? -reach : distance > reach ? reach : distance;
  return bias.table[head * (2 * reach + 1) + reach + clipped];
}

__device__ inline float Dot(const float* q, const float* key, int dim) {
  float sum = 0.0f;
  for (int d = LaneOf(); d < dim; d += kWarpSize) sum = fmaf(q[d], key[d], sum);
  return WarpSum(sum);
}

template <int kDims>
__device__ void Take(float score, const float (&value)[kDims], Running<kDims>& running) {
  const float top = fmaxf(running.top, score);
  const float keep = expf(running.top - top), weight = expf(score - top);
  running.top = top;
  running.sum = fmaf(running.sum, keep, weight);
#pragma unroll
  for (int d = 0; d < kDims; ++d) running.out[d] = fmaf(running.out[d], keep, weight * value[d]);
}

// The dimensions [first, first + 32 kDims) of one head that a lane holds, as far as they exist.
template <int kDims>
__device__ void LoadValue(const float* value, int first, int dim, float (&out)[kDims]) {
#pragma unroll
  for (int i = 0; i < kDims; ++i) {
    const int d = first + LaneOf() + i * kWarpSize;
    out[i] = d < dim ? value[d] : 0.0f;
  }
}

template <int kQueries, int kDims>
__device__ void WalkKeys(const AttentionShape& shape, const AttentionTile& tile, int head, int first,
                         Running<kDims> (&running)[kQueries]) {
  const int64_t column = int64_t{head} * shape.head_dim;
  const float* const q = shape.q.data + tile.first_row * shape.q.stride + column;
  for (int64_t key = WarpOf(); key < tile.length; key += kWarps) {
    float value[kDims];
    LoadValue(tile.values + key * tile.value_stride + column, first, shape.head_dim, value);
#pragma unroll
    for (int i = 0; i < kQueries; ++i) {
      if (i >= tile.queries) break;
      const float dot = Dot(q + i * shape.q.stride, tile.keys + key * tile.key_stride + column, shape.head_dim);
      Take(dot + BiasAt(tile.bias, head, key - (tile.position + i)), value, running[i]);
    }
  }
}

// In shared memory: what every warp knows of one query.
template <int kDims>
struct Met {
  float top[kWarps], sum[kWarps];
  float out[kWarps][kDims * kWarpSize];
};

// The first warp joins what all of them found and writes it.
template <int kDims>
__device__ void Join(const Met<kDims>& met, int first, int dim, float* out) {
  float top = met.top[0];
  for (int w = 1; w < kWarps; ++w) top = fmaxf(top, met.top[w]);
  float sum = 0.0f, joined[kDims] = {};
  for (int w = 0; w < kWarps; ++w) {
    const float weight = met.sum[w] == 0.0f ? 0.0f : expf(met.top[w] - top);
    sum = fmaf(met.sum[w], weight, sum);
#pragma unroll
    for (int i = 0; i < kDims; ++i) joined[i] = fmaf(met.out[w][LaneOf() + i * kWarpSize], weight, joined[i]);
  }
#pragma unroll
  for (int i = 0; i < kDims; ++i) {
    const int d = first + LaneOf() + i * kWarpSize;
    if (d < dim) out[d] = joined[i] / sum;
  }
}

// gridDim: tiles, heads, slices of 32 kDims dimensions of the head.
template <int kQueries, int kDims>
__global__ void __launch_bounds__(kThreads) AttendTiles(AttentionShape shape, const AttentionTile* tiles) {
  const AttentionTile tile = tiles[blockIdx.x];
  const int head = static_cast<int>(blockIdx.y), first = static_cast<int>(blockIdx.z) * kDims * kWarpSize;
  Running<kDims> running[kQueries];
  WalkKeys(shape, tile, head, first, running);
  auto& met = *SharedMemory<Met<kDims>>();
#pragma unroll
  for (int i = 0; i < kQueries; ++i) {
    if (i >= tile.queries) break;
    if (LaneOf() == 0) {
      met.top[WarpOf()] = running[i].top;
      met.sum[WarpOf()] = running[i].sum;
    }
#pragma unroll
    for (int d = 0; d < kDims; ++d) met.out[WarpOf()][LaneOf() + d * kWarpSize] = running[i].out[d];
    __syncthreads();
    if (WarpOf() == 0) {
      Join(met, first, shape.head_dim,
           shape.out.data + (tile.first_row + i) * shape.out.stride + int64_t{head} * shape.head_dim);
    }
    __syncthreads();
  }
}

template <int kDims>
void LaunchTiles(const AttentionShape& shape, const AttentionTile* tiles, int64_t count, Queue queue) {
  const auto slices = static_cast<unsigned>(CeilDiv(shape.head_dim, kDims * kWarpSize));
  const Launch launch{dim3(static_cast<unsigned>(count), static_cast<unsigned>(shape.heads), slices), kThreads,
                      sizeof(Met<kDims>), queue};
  if (shape.most_queries == 1) {
    launch(AttendTiles<1, kDims>, shape, tiles);
  } else {
    launch(AttendTiles<kMaxQueries, kDims>, shape, tiles);
  }
}

}  // namespace

void Attend(const AttentionShape& shape, const AttentionTile* tiles, int64_t count, Queue queue) {
  if (count == 0) return;
  if (shape.head_dim <= kWarpSize) return LaunchTiles<1>(shape, tiles, count, queue);
  if (shape.head_dim <= 2 * kWarpSize) return LaunchTiles<2>(shape, tiles, count, queue);
  LaunchTiles<4>(shape, tiles, count, queue);
}

}  // namespace trimtab::cuda
