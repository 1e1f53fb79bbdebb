#ifndef TRIMTAB_SERVER_PATH_PLAN_H_
#define TRIMTAB_SERVER_PATH_PLAN_H_

#include <cstdint>
#include <span>
#include <vector>

#include "model/step_costs.h"

namespace trimtab {

// How a request's conditioned products are computed while it decodes. Its encoder always mixes.
enum class ExecutionPath {
  kDense,  // On mixed weights: their memory is read once per lane and step.
  kBasis,  // Over the sets themselves: read once per step for all such requests together, a product per set.
};

// Rows in the batch. A request keeps its path to the end.
struct RunningRows {
  uint64_t lane = 0;  // Requests with equal weights share a lane.
  int32_t rows = 0;
  ExecutionPath path = ExecutionPath::kDense;
};

struct JoiningRows {
  uint64_t lane = 0;
  int32_t rows = 1;
  int32_t steps = 1;   // That it may decode.
  bool mixed = false;  // Its mixture is resident.
};

// A path for each of `joining`, so that a step costs least: each lane's mixture is read for its own rows (and made
// once, if it is not there), or its rows join those over the basis. One lane gets one path. Dense where nothing is
// known. Pure.
std::vector<ExecutionPath> PlanPaths(const StepCosts& costs, std::span<const RunningRows> running,
                                     std::span<const JoiningRows> joining);

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_PATH_PLAN_H_
