#include "kernels/cuda/graphs.h"

#include <algorithm>
#include <utility>

#include "kernels/cuda/check.h"

namespace trimtab::cuda {

Graphs::~Graphs() {
  for (Graph& graph : graphs_) Destroy(graph);
}

void Graphs::Start(KernelList& list, cudaStream_t stream) {
  if (list.empty()) return;
  Graph* const found = Find(list);
  Graph& graph = found != nullptr ? *found : Remember(stream);
  if (graph.executable != nullptr) {
    Update(list, graph);
  } else if (found != nullptr && !graph.tried) {
    Make(list, graph);
  }
  if (graph.executable != nullptr) {
    Check(cudaGraphLaunch(graph.executable, stream), "starting a graph");
  } else {
    list.Start(stream);
  }
  graph.used = ++clock_;
  std::swap(graph.list, list);
  list.Clear();
}

Graphs::Graph* Graphs::Find(const KernelList& list) {
  const auto found =
      std::find_if(graphs_.begin(), graphs_.end(), [&](const Graph& graph) { return graph.list.HasKernelsOf(list); });
  return found == graphs_.end() ? nullptr : &*found;
}

Graphs::Graph& Graphs::Remember(cudaStream_t stream) {
  if (graphs_.size() < kMost) return graphs_.emplace_back();
  Check(cudaStreamSynchronize(stream), "waiting for the last graph");  // It may be the one that goes.
  Graph& oldest =
      *std::min_element(graphs_.begin(), graphs_.end(), [](const Graph& a, const Graph& b) { return a.used < b.used; });
  Destroy(oldest);
  return oldest;
}

void Graphs::Make(KernelList& list, Graph& graph) {
  Check(cudaGraphCreate(&graph.graph, 0), "making a graph");
  for (size_t i = 0; i < list.size(); ++i) {
    const cudaKernelNodeParams node = list.NodeOf(i);
    const cudaGraphNode_t* const before = i == 0 ? nullptr : &graph.nodes.back();
    cudaGraphNode_t made;
    Check(cudaGraphAddKernelNode(&made, graph.graph, before, i == 0 ? 0 : 1, &node), "adding to a graph");
    graph.nodes.push_back(made);
  }
  const cudaError_t error = cudaGraphInstantiate(&graph.executable, graph.graph, 0);
  if (error == cudaSuccess) return;
  if (error != cudaErrorMemoryAllocation) Check(error, "making a graph executable");
  cudaGetLastError();  // Or the next kernel would be blamed for it.
  graph.executable = nullptr;
  Destroy(graph);
  graph.tried = true;
}

void Graphs::Update(KernelList& list, Graph& graph) {
  for (size_t i = 0; i < list.size(); ++i) {
    if (list.IsSameAt(i, graph.list)) continue;
    const cudaKernelNodeParams node = list.NodeOf(i);
    Check(cudaGraphExecKernelNodeSetParams(graph.executable, graph.nodes[i], &node), "changing a graph");
  }
}

void Graphs::Destroy(Graph& graph) {
  if (graph.executable != nullptr) Check(cudaGraphExecDestroy(graph.executable), "ending a graph");
  if (graph.graph != nullptr) Check(cudaGraphDestroy(graph.graph), "ending a graph");
  graph = Graph();
}

}  // namespace trimtab::cuda
