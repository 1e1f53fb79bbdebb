// Which weightings an exploration of one article runs. Pure functions.
#ifndef TRIMTAB_SERVER_EXPLORATION_H_
#define TRIMTAB_SERVER_EXPLORATION_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "model/clp_config.h"
#include "model/weighting.h"
#include "server/steering.h"

namespace trimtab {

inline constexpr int kMaxExploredPoints = 256;

struct WeightingGrid {
  int divisions = 1;           // 1 to 64: w runs over all points of the simplex with w_i = n_i / divisions.
  std::vector<double> alphas;  // At most 32.
  // 0 or 2 to 32: so many alphas more, from the smallest that is accepted to 1, evenly spread by the share of the
  // reference set, which hardly depends on most of the range of alpha.
  int alpha_sweep = 0;
};

// Every alpha (the checkpoint's default where there is none) with every w: all w of the first alpha first, from the
// vertex of the first reward to that of the last. Weights outside `bounds` are left out. InvalidArgument, with fields
// as in the contract ("grid.divisions"), when an entry is out of range or refused, when more than kMaxExploredPoints
// points come out (before any is made) or none.
absl::StatusOr<std::vector<Steering>> ExpandGrid(const ClpConfig& clp, const SteeringBounds& bounds,
                                                 const CoefficientGrid& coefficient_grid, const WeightingGrid& grid);

// A point to compute, and whom it answers.
struct DistinctPoint {
  Steering steering;           // Of the first of them.
  std::vector<int32_t> asked;  // Positions in what was asked, ascending.
};

// Collapses points that give the same summary: equal coefficients, and equal prompts where weights are written into
// them. In order of first appearance.
std::vector<DistinctPoint> DistinctPoints(const ClpConfig& clp, std::vector<Steering> asked);

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_EXPLORATION_H_
