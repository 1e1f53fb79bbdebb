// How kernels are started and what every kernel may use. Written so that the same sources compile with nvcc for a GPU
// and with a C++ compiler for the emulation in tests/cuda_emulation.
#ifndef TRIMTAB_KERNELS_CUDA_LAUNCH_H_
#define TRIMTAB_KERNELS_CUDA_LAUNCH_H_

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/cuda/check.h"

namespace trimtab::cuda {

inline constexpr int kWarpSize = 32;
inline constexpr unsigned kAllLanes = 0xffffffff;
inline constexpr float kLowest = -3.402823466e38f;

struct Launch {
  dim3 grid;
  unsigned threads = 0;  // Per block: a multiple of 32, at most 1024.
  size_t shared_bytes = 0;
  cudaStream_t stream = nullptr;

  // Starts kernel(arguments...) on the stream. Arguments are copied and take at most 4 KiB.
  template <typename... Parameters, typename... Arguments>
  void operator()(void (*kernel)(Parameters...), const Arguments&... arguments) const {
    cudaLaunchConfig_t config = {};
    config.gridDim = grid;
    config.blockDim = dim3(threads);
    config.dynamicSmemBytes = shared_bytes;
    config.stream = stream;
    Check(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...), "starting a kernel");
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

struct Sum {
  template <typename T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
struct Larger {
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
  __device__ unsigned long long operator()(unsigned long long a, unsigned long long b) const { return a > b ? a : b; }
};

// The same value in every lane: butterflies combine in the same order everywhere.
template <typename T, typename Combine>
__device__ T WarpReduce(T value, Combine combine) {
  for (int lanes = kWarpSize / 2; lanes > 0; lanes /= 2) {
    value = combine(value, __shfl_xor_sync(kAllLanes, value, lanes));
  }
  return value;
}
__device__ inline float WarpSum(float value) { return WarpReduce(value, Sum()); }

// Over all threads of the block, the same in each. `shared` has room for one value per warp and is free again after the
// block's next barrier.
template <typename T, typename Combine>
__device__ T BlockReduce(T value, T neutral, T* shared, Combine combine) {
  value = WarpReduce(value, combine);
  if (LaneOf() == 0) shared[WarpOf()] = value;
  __syncthreads();
  const int warps = static_cast<int>(blockDim.x) / kWarpSize;
  return WarpReduce(LaneOf() < warps ? shared[LaneOf()] : neutral, combine);
}
template <typename T>
__device__ T BlockSum(T value, T* shared) {
  return BlockReduce(value, T{0}, shared, Sum());
}
__device__ inline float BlockMax(float value, float* shared) { return BlockReduce(value, kLowest, shared, Larger()); }
__device__ inline unsigned long long BlockMax(unsigned long long value, unsigned long long* shared) {
  return BlockReduce(value, 0ull, shared, Larger());
}

}  // namespace trimtab::cuda

#endif  // TRIMTAB_KERNELS_CUDA_LAUNCH_H_
