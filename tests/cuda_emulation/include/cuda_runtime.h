// Stands in for CUDA's header of this name, so that the sources in kernels/cuda compile as C++ and run on the CPU.
// Holds what they use, with the rules of the real thing enforced; see README.md.
#ifndef TRIMTAB_TESTS_CUDA_EMULATION_INCLUDE_CUDA_RUNTIME_H_
#define TRIMTAB_TESTS_CUDA_EMULATION_INCLUDE_CUDA_RUNTIME_H_

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <source_location>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "tests/cuda_emulation/block.h"
#include "tests/cuda_emulation/device_memory.h"
#include "tests/cuda_emulation/graph.h"
#include "tests/cuda_emulation/stream.h"

// --- the language ---

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))

using uint3 = cuda_emulation::Index;
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}  // NOLINT: as CUDA's.
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

inline float __uint_as_float(unsigned bits) { return std::bit_cast<float>(bits); }
inline unsigned __float_as_uint(float value) { return std::bit_cast<unsigned>(value); }

inline void __syncthreads(std::source_location place = std::source_location::current()) {
  cuda_emulation::SyncThreads(place);
}

namespace cuda_emulation {

inline constexpr unsigned kAllLanes = 0xffffffff;

template <typename T>
T FromLane(unsigned mask, T value, unsigned lane, std::source_location place) {
  if (mask != kAllLanes) Fail("a warp exchanges under mask %x; the emulation knows whole warps only", mask);
  return static_cast<const T*>(Exchange(&value, sizeof(T), place))[lane % kWarp];
}

inline unsigned Lane() { return threadIdx.x % kWarp; }

}  // namespace cuda_emulation

template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, std::source_location place = std::source_location::current()) {
  return cuda_emulation::FromLane(mask, value, cuda_emulation::Lane() ^ static_cast<unsigned>(lanes), place);
}
template <typename T>
T __shfl_sync(unsigned mask, T value, int lane, std::source_location place = std::source_location::current()) {
  return cuda_emulation::FromLane(mask, value, static_cast<unsigned>(lane), place);
}
inline unsigned __ballot_sync(unsigned mask, int predicate,
                              std::source_location place = std::source_location::current()) {
  if (mask != cuda_emulation::kAllLanes) cuda_emulation::Fail("a warp votes under mask %x", mask);
  const int mine = predicate != 0;
  const auto* all = static_cast<const int*>(cuda_emulation::Exchange(&mine, sizeof(mine), place));
  unsigned votes = 0;
  for (int lane = 0; lane < cuda_emulation::kWarp; ++lane) votes |= static_cast<unsigned>(all[lane]) << lane;
  return votes;
}
inline int __any_sync(unsigned mask, int predicate, std::source_location place = std::source_location::current()) {
  return __ballot_sync(mask, predicate, place) != 0;
}

// --- the runtime ---

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInvalidDevice = 101,
  cudaErrorNotReady = 600,
};
enum cudaMemcpyKind {
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost = 2,
  cudaMemcpyDeviceToDevice = 3,
  cudaMemcpyDefault = 4
};
enum cudaDeviceAttr { cudaDevAttrMultiProcessorCount = 16, cudaDevAttrComputeCapabilityMajor = 75 };
inline constexpr unsigned cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2;

using cudaStream_t = cuda_emulation::Stream*;
using cudaEvent_t = cuda_emulation::Event*;
using cudaGraph_t = cuda_emulation::Graph*;
using cudaGraphExec_t = cuda_emulation::GraphExec*;
using cudaGraphNode_t = const cuda_emulation::GraphNode*;

const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError();
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaMalloc(void** data, size_t bytes);
cudaError_t cudaFree(void* data);
cudaError_t cudaMallocHost(void** data, size_t bytes);
cudaError_t cudaFreeHost(void* data);
// A copy from pageable memory has read it when this returns, one to pageable memory has been made; others wait in the
// stream.
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* data, int value, size_t bytes, cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaEventSynchronize(cudaEvent_t event);

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;  // NOLINT: as CUDA's.
  size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
  void* attrs = nullptr;
  unsigned numAttrs = 0;
};

struct cudaKernelNodeParams {
  void* func = nullptr;
  dim3 gridDim, blockDim;       // NOLINT: as CUDA's.
  unsigned sharedMemBytes = 0;  // NOLINT
  void** kernelParams = nullptr;
  void** extra = nullptr;
};

cudaError_t cudaGraphCreate(cudaGraph_t* graph, unsigned flags);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphAddKernelNode(cudaGraphNode_t* node, cudaGraph_t graph, const cudaGraphNode_t* after, size_t count,
                                   const cudaKernelNodeParams* params);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphExecKernelNodeSetParams(cudaGraphExec_t graph, cudaGraphNode_t node,
                                             const cudaKernelNodeParams* params);
cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph);

namespace cuda_emulation {

// All blocks of a grid, in any order; null if its sizes are beyond the machine's limits.
std::function<void()> GridOf(const cudaLaunchConfig_t& config, std::function<void()> kernel);
// Puts them in the stream.
cudaError_t Enqueue(const cudaLaunchConfig_t& config, std::function<void()> kernel);

// The kernel on arguments whose types only it knows.
template <typename... Parameters>
KernelType TypeOf(void (*kernel)(Parameters...)) {
  static_assert((std::is_trivially_copyable_v<Parameters> && ...), "a kernel's parameters are copied byte by byte");
  const auto call = [kernel]<size_t... i>(std::span<const std::vector<std::byte>> arguments,
                                          std::index_sequence<i...>) {
    std::tuple<std::remove_cv_t<Parameters>...> values;
    (std::memcpy(&std::get<i>(values), arguments[i].data(), arguments[i].size()), ...);
    std::apply(kernel, values);
  };
  return {{sizeof(Parameters)...}, [call](std::span<const std::vector<std::byte>> arguments) {
            call(arguments, std::index_sequence_for<Parameters...>());
          }};
}

}  // namespace cuda_emulation

template <typename... Parameters, typename... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...), Arguments&&... given) {
  const std::tuple<Parameters...> arguments(static_cast<Parameters>(given)...);
  static_assert((0 + ... + sizeof(Parameters)) <= 4096, "a kernel's parameters take 4 KiB at most");
  std::apply([](const auto&... each) { (cuda_emulation::CheckArguments(&each, sizeof(each)), ...); }, arguments);
  cuda_emulation::RegisterKernel(reinterpret_cast<const void*>(kernel), cuda_emulation::TypeOf(kernel));
  return cuda_emulation::Enqueue(*config, [kernel, arguments] { std::apply(kernel, arguments); });
}

#include "tests/cuda_emulation/mma.h"

#endif  // TRIMTAB_TESTS_CUDA_EMULATION_INCLUDE_CUDA_RUNTIME_H_
