#include "kernels/cuda/queue.h"

#include "kernels/cuda/check.h"
#include "kernels/cuda/kernel_list.h"

namespace trimtab::cuda {

void KernelCall::Start(cudaStream_t stream, void* const* arguments) const {
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = dim3(threads);
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  Check(starter(config, kernel, arguments), "starting a kernel");
}

void Queue::Put(const KernelCall& call, std::span<const KernelArgument> arguments) const {
  if (held_ != nullptr) return held_->Add(call, arguments);
  void* pointers[kMostArguments];
  for (size_t i = 0; i < arguments.size(); ++i) pointers[i] = const_cast<void*>(arguments[i].data);
  call.Start(stream_, pointers);
}

}  // namespace trimtab::cuda
