#include "trainer/gradient_workers.h"

#include <algorithm>
#include <numeric>

namespace trimtab {
namespace {

NamedTensors LeavesOver(const NamedTensors& weights) {
  NamedTensors leaves;
  for (const auto& [name, weight] : weights) {
    leaves[name] = weight.detach().set_requires_grad(weight.requires_grad());
  }
  return leaves;
}

// Into the gradient of `weight`, in place where there is one already.
void AddGradient(torch::Tensor& weight, const torch::Tensor& gradient) {
  if (!gradient.defined()) return;
  torch::Tensor& sum = weight.mutable_grad();
  if (sum.defined()) {
    sum.add_(gradient);
  } else {
    sum = gradient;
  }
}

}  // namespace

std::vector<std::vector<size_t>> ShareOut(std::span<const size_t> costs, int shares) {
  std::vector<size_t> order(costs.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return costs[a] > costs[b]; });
  std::vector<std::vector<size_t>> shared(shares);
  std::vector<size_t> loads(shares, 0);
  for (const size_t job : order) {
    const auto least = std::min_element(loads.begin(), loads.end()) - loads.begin();
    shared[least].push_back(job);
    loads[least] += costs[job];
  }
  return shared;
}

GradientWorkers::GradientWorkers(int threads) : pool_(threads) { torch::set_num_threads(1); }

void GradientWorkers::Gather(NamedTensors& weights, std::span<const size_t> costs,
                             absl::FunctionRef<void(size_t job, const NamedTensors& leaves)> work) {
  const std::vector<std::vector<size_t>> shares = ShareOut(costs, pool_.threads());
  std::vector<NamedTensors> leaves(shares.size());
  pool_.ParallelFor(static_cast<int64_t>(shares.size()), [&](int64_t share, int) {
    leaves[share] = LeavesOver(weights);
    for (const size_t job : shares[share]) work(job, leaves[share]);
  });
  std::vector<NamedTensors::iterator> places;
  for (auto place = weights.begin(); place != weights.end(); ++place) places.push_back(place);
  pool_.ParallelFor(static_cast<int64_t>(places.size()), [&](int64_t i, int) {
    const torch::NoGradGuard no_gradients;
    for (const NamedTensors& of_share : leaves)
      AddGradient(places[i]->second, of_share.find(places[i]->first)->second.grad());
  });
}

}  // namespace trimtab
