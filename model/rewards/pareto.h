#ifndef TRIMTAB_MODEL_REWARDS_PARETO_H_
#define TRIMTAB_MODEL_REWARDS_PARETO_H_

#include <cstddef>
#include <span>
#include <vector>

namespace trimtab {

// The points, as ascending indices, that no other dominates: none is at least as good in every objective and better in
// one. Larger is better; equal points stand or fall together. Each point has one value per objective, none NaN; with no
// objective none dominates. Pure; quadratic in the points.
std::vector<size_t> NonDominated(std::span<const std::vector<double>> points);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_REWARDS_PARETO_H_
