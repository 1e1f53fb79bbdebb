// Where kernels go: to a stream at once, or to a list that holds them back.
#ifndef TRIMTAB_KERNELS_CUDA_QUEUE_H_
#define TRIMTAB_KERNELS_CUDA_QUEUE_H_

#include <cuda_runtime.h>

#include <cstddef>
#include <span>
#include <utility>

namespace trimtab::cuda {

// One value that a kernel is given.
struct KernelArgument {
  const void* data = nullptr;
  size_t bytes = 0;
};

inline constexpr size_t kMostArguments = 16;

// A kernel whose types are forgotten, and how to start it.
struct KernelCall {
  using Starter = cudaError_t (*)(const cudaLaunchConfig_t& config, const void* kernel, void* const* arguments);
  const void* kernel = nullptr;
  Starter starter = nullptr;
  dim3 grid;
  unsigned threads = 0;
  size_t shared_bytes = 0;

  void Start(cudaStream_t stream, void* const* arguments) const;
};

// The starter of kernels with these parameters.
template <typename... Parameters>
cudaError_t StartKernel(const cudaLaunchConfig_t& config, const void* kernel, void* const* arguments) {
  const auto typed = reinterpret_cast<void (*)(Parameters...)>(const_cast<void*>(kernel));
  return [&]<size_t... i>(std::index_sequence<i...>) {
    return cudaLaunchKernelEx(&config, typed, *static_cast<const Parameters*>(arguments[i])...);
  }
  (std::index_sequence_for<Parameters...>());
}

class KernelList;

class Queue {
 public:
  // Does not own; `held` null: to the stream at once.
  Queue(cudaStream_t stream = nullptr, KernelList* held = nullptr) : stream_(stream), held_(held) {}  // NOLINT
  // Copies the arguments.
  void Put(const KernelCall& call, std::span<const KernelArgument> arguments) const;

 private:
  cudaStream_t stream_;
  KernelList* held_;
};

}  // namespace trimtab::cuda

#endif  // TRIMTAB_KERNELS_CUDA_QUEUE_H_
