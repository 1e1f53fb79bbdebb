#include "server/path_plan.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"

namespace trimtab {
namespace {

struct Lane {
  uint64_t id = 0;
  int32_t dense_rows = 0;  // Running.
  int32_t rows = 0;        // Joining.
  int32_t steps = 0;       // Of its longest.
  bool mixed = false;

  // What a step costs more if the joining rows run on the mixture.
  double DenseCost(const StepCosts& costs) const {
    const double products = costs.Dense(dense_rows + rows) - costs.Dense(dense_rows);
    return products + (mixed || dense_rows > 0 ? 0.0 : costs.mix / std::max(1, steps));
  }
};

}  // namespace

std::vector<ExecutionPath> PlanPaths(const StepCosts& costs, std::span<const RunningRows> running,
                                     std::span<const JoiningRows> joining) {
  std::vector<ExecutionPath> paths(joining.size(), ExecutionPath::kDense);
  if (costs.points.empty() || joining.empty()) return paths;

  int32_t basis_rows = 0;
  absl::flat_hash_map<uint64_t, Lane> by_id;
  for (const JoiningRows& request : joining) {
    Lane& lane = by_id[request.lane];
    lane.id = request.lane;
    lane.rows += request.rows;
    lane.steps = std::max(lane.steps, request.steps);
    lane.mixed |= request.mixed;
    basis_rows += request.rows;
  }
  for (const RunningRows& request : running) {
    if (request.path == ExecutionPath::kBasis) {
      basis_rows += request.rows;
    } else if (const auto lane = by_id.find(request.lane); lane != by_id.end()) {
      lane->second.dense_rows += request.rows;
    }
  }

  // Lanes leave the basis one by one, the cheapest row first; the best number of them wins.
  std::vector<Lane> lanes;
  for (const auto& [id, lane] : by_id) lanes.push_back(lane);
  const auto cost_of_row = [&](const Lane& lane) { return lane.DenseCost(costs) / lane.rows; };
  std::sort(lanes.begin(), lanes.end(), [&](const Lane& a, const Lane& b) {
    const double left = cost_of_row(a), right = cost_of_row(b);
    return left != right ? left < right : a.id < b.id;
  });
  double dense = 0.0, least = costs.Basis(basis_rows);
  size_t best = 0;
  for (size_t i = 0; i < lanes.size(); ++i) {
    dense += lanes[i].DenseCost(costs);
    basis_rows -= lanes[i].rows;
    const double cost = dense + costs.Basis(basis_rows);
    if (cost > least) continue;
    least = cost;
    best = i + 1;
  }
  absl::flat_hash_map<uint64_t, ExecutionPath> chosen;
  for (size_t i = 0; i < lanes.size(); ++i) {
    chosen[lanes[i].id] = i < best ? ExecutionPath::kDense : ExecutionPath::kBasis;
  }
  for (size_t i = 0; i < joining.size(); ++i) paths[i] = chosen[joining[i].lane];
  return paths;
}

}  // namespace trimtab
