// How kernels are started and what every kernel may use. Written so that the same sources compile with nvcc for a GPU
// and with a C++ compiler for the emulation in tests/cuda_emulation.
#ifndef TRIMTAB_KERNELS_CUDA_LAUNCH_H_
#define TRIMTAB_KERNELS_CUDA_LAUNCH_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/cuda/queue.h"

namespace trimtab::cuda {

inline constexpr int kWarpSize = 32;
inline constexpr unsigned kAllLanes = 0xffffffff;

struct Launch {
  dim3 grid;
  unsigned threads = 0;  // Per block: a multiple of 32, at most 1024.
  size_t shared_bytes = 0;
  Queue queue;

  // Puts kernel(arguments...) in the queue. Arguments are copied and take at most 4 KiB.
  template <typename... Parameters, typename... Arguments>
  void operator()(void (*kernel)(Parameters...), const Arguments&... arguments) const {
    static_assert(sizeof...(Parameters) <= kMostArguments);
    const KernelCall call{reinterpret_cast<const void*>(kernel), StartKernel<Parameters...>, grid, threads,
                          shared_bytes};
    [&](const Parameters&... values) {
      const KernelArgument list[] = {{&values, sizeof(values)}...};
      queue.Put(call, list);
    }(static_cast<Parameters>(arguments)...);
  }
};

inline int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Blocks for `items` threads in a grid that strides: enough to fill any GPU, and no more than need be.
inline unsigned StridingBlocks(int64_t items, int threads) {
  constexpr int64_t kMostBlocks = 4096;
  return static_cast<unsigned>(std::clamp<int64_t>(CeilDiv(items, threads), 1, kMostBlocks));
}

// --- on the device ---

// The block's shared memory, as much of it as the launch asked for.
template <typename T>
__device__ T* SharedMemory() {
  extern __shared__ __align__(128) unsigned char dynamic_shared[];
  return reinterpret_cast<T*>(dynamic_shared);
}

__device__ inline int LaneOf() { return static_cast<int>(threadIdx.x) % kWarpSize; }
__device__ inline int WarpOf() { return static_cast<int>(threadIdx.x) / kWarpSize; }

// The same value in every lane: butterflies add in the same order everywhere.
__device__ inline float WarpSum(float value) {
  for (int lanes = kWarpSize / 2; lanes > 0; lanes /= 2) value += __shfl_xor_sync(kAllLanes, value, lanes);
  return value;
}
__device__ inline float WarpMax(float value) {
  for (int lanes = kWarpSize / 2; lanes > 0; lanes /= 2) {
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, lanes));
  }
  return value;
}

// Over all threads of the block, the same in each. `shared` has room for one float per warp and is free again after the
// block's next barrier.
template <typename Combine>
__device__ float BlockReduce(float value, float* shared, Combine combine) {
  value = combine(value);
  if (LaneOf() == 0) shared[WarpOf()] = value;
  __syncthreads();
  const int warps = static_cast<int>(blockDim.x) / kWarpSize;
  return combine(LaneOf() < warps ? shared[LaneOf()] : 0.0f);
}
__device__ inline float BlockSum(float value, float* shared) {
  return BlockReduce(value, shared, [](float v) { return WarpSum(v); });
}
// REQUIRES: no value is negative.
__device__ inline float BlockMax(float value, float* shared) {
  return BlockReduce(value, shared, [](float v) { return WarpMax(v); });
}

}  // namespace trimtab::cuda

#endif  // TRIMTAB_KERNELS_CUDA_LAUNCH_H_
