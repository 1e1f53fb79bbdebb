#ifndef TRIMTAB_KERNELS_CUDA_KERNEL_LIST_H_
#define TRIMTAB_KERNELS_CUDA_KERNEL_LIST_H_

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cuda/queue.h"

namespace trimtab::cuda {

// Kernels held back with copies of their arguments, in the order in which they are to run.
class KernelList {
 public:
  void Add(const KernelCall& call, std::span<const KernelArgument> arguments);
  void Clear();

  bool empty() const { return calls_.empty(); }
  size_t size() const { return calls_.size(); }

  // The same kernels in the same order, on whatever.
  bool HasKernelsOf(const KernelList& other) const;
  // Number i starts as many blocks on the same arguments. REQUIRES: HasKernelsOf(other).
  bool IsSameAt(size_t i, const KernelList& other) const;

  // One after the other.
  void Start(cudaStream_t stream);
  // Number i as a node of a graph. Points into this; valid until it is added to.
  cudaKernelNodeParams NodeOf(size_t i);

 private:
  struct Held {
    KernelCall call;
    size_t first_place = 0;  // Of places_.
    size_t first_byte = 0, bytes = 0;
  };
  void** ArgumentsOf(const Held& held);

  std::vector<Held> calls_;
  std::vector<size_t> places_;  // Of each argument in bytes_, call after call.
  std::vector<std::byte> bytes_;
  std::vector<void*> pointers_;  // To the arguments of the call at hand.
};

}  // namespace trimtab::cuda

#endif  // TRIMTAB_KERNELS_CUDA_KERNEL_LIST_H_
