#include "tests/cuda_emulation/graph.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <set>
#include <utility>

#include "tests/cuda_emulation/include/cuda_runtime.h"

namespace cuda_emulation {
namespace {

using Lock = std::lock_guard<std::mutex>;

constexpr size_t kExecutableBytes = 64 << 10;  // Of device memory.

struct Graphs {
  std::map<const void*, KernelType> kernels;
  std::set<const Graph*> alive;
  std::set<const GraphExec*> executable;
  GraphCounts counts;
};

Graphs& graphs() {
  static auto& state = *new Graphs();
  return state;
}

void CheckAlive(const Graph* graph) {
  if (!graphs().alive.contains(graph)) Fail("graph %p does not exist", static_cast<const void*>(graph));
}
void CheckAlive(const GraphExec* graph) {
  if (!graphs().executable.contains(graph)) Fail("executable graph %p does not exist", static_cast<const void*>(graph));
}

// Copies the arguments: whoever gave them may change them then.
cudaError_t MakeCall(const cudaKernelNodeParams& params, GridCall* made) {
  const auto found = graphs().kernels.find(params.func);
  if (found == graphs().kernels.end()) Fail("a graph has a kernel that was never launched: its type is not known");
  const KernelType& type = found->second;
  std::vector<std::vector<std::byte>> arguments;
  for (size_t i = 0; i < type.argument_bytes.size(); ++i) {
    const auto* const data = static_cast<const std::byte*>(params.kernelParams[i]);
    CheckArguments(data, type.argument_bytes[i]);
    arguments.emplace_back(data, data + type.argument_bytes[i]);
  }
  const cudaLaunchConfig_t config{params.gridDim, params.blockDim, params.sharedMemBytes, nullptr, nullptr, 0};
  made->kernel = params.func;
  made->run = GridOf(config, [call = type.call, arguments = std::move(arguments)] { call(arguments); });
  return made->run == nullptr ? cudaErrorInvalidConfiguration : cudaSuccess;
}

// Those of `graph` that nothing holds come first in an order drawn anew.
void RunNodes(const std::vector<GridCall>& calls, const std::vector<std::vector<size_t>>& after) {
  std::vector<bool> done(calls.size(), false);
  for (size_t ran = 0; ran < calls.size(); ++ran) {
    std::vector<size_t> ready;
    for (size_t i = 0; i < calls.size(); ++i) {
      const bool held = std::any_of(after[i].begin(), after[i].end(), [&](size_t j) { return !done[j]; });
      if (!done[i] && !held) ready.push_back(i);
    }
    if (ready.empty()) Fail("a graph's nodes wait for each other");
    const size_t next = ready[Draw(static_cast<uint32_t>(ready.size()))];
    calls[next].run();
    done[next] = true;
  }
}

size_t PlaceOf(const std::vector<const GraphNode*>& nodes, const GraphNode* node) {
  const auto found = std::find(nodes.begin(), nodes.end(), node);
  if (found == nodes.end()) Fail("a node is not of this graph");
  return found - nodes.begin();
}

}  // namespace

void RegisterKernel(const void* kernel, KernelType type) {
  const Lock lock(DeviceLock());
  graphs().kernels.try_emplace(kernel, std::move(type));
  ++graphs().counts.kernels_alone;
}

GraphCounts CountGraphs() {
  const Lock lock(DeviceLock());
  return graphs().counts;
}

}  // namespace cuda_emulation

using namespace cuda_emulation;  // NOLINT: what follows is CUDA's, on top of it.

cudaError_t cudaGraphCreate(cudaGraph_t* graph, unsigned flags) {
  if (flags != 0) return cudaErrorInvalidValue;
  const Lock lock(DeviceLock());
  *graph = new Graph();
  graphs().alive.insert(*graph);
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const Lock lock(DeviceLock());
  CheckAlive(graph);
  graphs().alive.erase(graph);
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphAddKernelNode(cudaGraphNode_t* node, cudaGraph_t graph, const cudaGraphNode_t* after, size_t count,
                                   const cudaKernelNodeParams* params) {
  const Lock lock(DeviceLock());
  CheckAlive(graph);
  auto made = std::make_unique<GraphNode>();
  made->after.assign(after, after + count);
  const cudaError_t error = MakeCall(*params, &made->call);
  if (error != cudaSuccess) return error;
  *node = graph->nodes.emplace_back(std::move(made)).get();
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long flags) {
  if (flags != 0) return cudaErrorInvalidValue;
  const Lock lock(DeviceLock());
  CheckAlive(graph);
  void* const memory = AllocateDevice(kExecutableBytes);
  if (memory == nullptr) return cudaErrorMemoryAllocation;
  *made = new GraphExec();
  (*made)->memory = memory;
  for (const auto& node : graph->nodes) {
    (*made)->nodes.push_back(node.get());
    (*made)->calls.push_back(node->call);
    std::vector<size_t>& after = (*made)->after.emplace_back();
    for (const GraphNode* before : node->after) after.push_back(PlaceOf((*made)->nodes, before));
  }
  graphs().executable.insert(*made);
  ++graphs().counts.instantiated;
  return cudaSuccess;
}

cudaError_t cudaGraphExecKernelNodeSetParams(cudaGraphExec_t graph, cudaGraphNode_t node,
                                             const cudaKernelNodeParams* params) {
  const Lock lock(DeviceLock());
  CheckAlive(graph);
  ++graphs().counts.changed_nodes;
  return MakeCall(*params, &graph->calls[PlaceOf(graph->nodes, node)]);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
  const Lock lock(DeviceLock());
  CheckAlive(graph);
  ++graphs().counts.launched;
  ++*graph->waiting;
  const auto run = [calls = graph->calls, after = graph->after, waiting = graph->waiting] {
    RunNodes(calls, after);
    --*waiting;
  };
  stream->work.push_back({run, {}, {}});
  return cudaSuccess;
}

// Stricter than CUDA, which leaves open what becomes of a graph that still runs.
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  const Lock lock(DeviceLock());
  CheckAlive(graph);
  if (*graph->waiting > 0) Fail("a graph ends while it is at work");
  graphs().executable.erase(graph);
  FreeDevice(graph->memory);
  delete graph;
  return cudaSuccess;
}
