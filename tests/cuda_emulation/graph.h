// Graphs of kernels: copies of what was asked for, run in any order that their edges allow.
#ifndef TRIMTAB_TESTS_CUDA_EMULATION_GRAPH_H_
#define TRIMTAB_TESTS_CUDA_EMULATION_GRAPH_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "tests/cuda_emulation/stream.h"

namespace cuda_emulation {

// What a kernel takes, and how to call it with copies of its arguments.
struct KernelType {
  std::vector<size_t> argument_bytes;
  std::function<void(std::span<const std::vector<std::byte>> arguments)> call;
};

// Called at every launch, so that a graph can call kernels by their address. Takes the lock.
void RegisterKernel(const void* kernel, KernelType type);

// One grid on its arguments.
struct GridCall {
  const void* kernel = nullptr;
  std::function<void()> run;
};

struct GraphNode {
  GridCall call;
  std::vector<const GraphNode*> after;
};

struct Graph {
  std::vector<std::unique_ptr<GraphNode>> nodes;
};

struct GraphExec {
  std::vector<const GraphNode*> nodes;  // Of the graph it was made from: their names here.
  std::vector<std::vector<size_t>> after;
  std::vector<GridCall> calls;
  void* memory = nullptr;                                   // Of the device.
  std::shared_ptr<int> waiting = std::make_shared<int>(0);  // Launches that are not done.
};

// How often what happened in this process, for tests that count.
struct GraphCounts {
  int64_t instantiated = 0;
  int64_t changed_nodes = 0;
  int64_t launched = 0;
  int64_t kernels_alone = 0;  // Launched outside of graphs.
};
GraphCounts CountGraphs();

}  // namespace cuda_emulation

#endif  // TRIMTAB_TESTS_CUDA_EMULATION_GRAPH_H_
