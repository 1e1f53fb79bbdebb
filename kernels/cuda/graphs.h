#ifndef TRIMTAB_KERNELS_CUDA_GRAPHS_H_
#define TRIMTAB_KERNELS_CUDA_GRAPHS_H_

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/cuda/kernel_list.h"

namespace trimtab::cuda {

// Starts lists of kernels, each as one graph from the second time on that its kernels come in this order. Another list
// of the same kernels is the same graph: only the nodes are told that start more blocks or on other arguments than the
// last time, so it serves whatever the list is of. For one thread.
class Graphs {
 public:
  Graphs() = default;
  ~Graphs();
  Graphs(const Graphs&) = delete;
  Graphs& operator=(const Graphs&) = delete;

  // At most so many are kept, those that were used last.
  static constexpr size_t kMost = 64;

  // Puts the kernels in the stream, one after the other where they are no graph or there is no memory for one; the list
  // is empty then.
  void Start(KernelList& list, cudaStream_t stream);

 private:
  struct Graph {
    KernelList list;  // As it was started last.
    uint64_t used = 0;
    bool tried = false;           // To make it.
    cudaGraph_t graph = nullptr;  // Null: the list came once, or there was no memory.
    cudaGraphExec_t executable = nullptr;
    std::vector<cudaGraphNode_t> nodes;  // One per kernel.
  };

  Graph* Find(const KernelList& list);
  // Room for one more.
  Graph& Remember(cudaStream_t stream);
  static void Make(KernelList& list, Graph& graph);
  static void Update(KernelList& list, Graph& graph);
  static void Destroy(Graph& graph);

  std::vector<Graph> graphs_;
  uint64_t clock_ = 0;
};

}  // namespace trimtab::cuda

#endif  // TRIMTAB_KERNELS_CUDA_GRAPHS_H_
