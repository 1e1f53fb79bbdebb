#include "server/path_plan.h"

#include <algorithm>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trimtab {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

constexpr ExecutionPath kDense = ExecutionPath::kDense, kBasis = ExecutionPath::kBasis;

// A machine on which reading one set takes as long as multiplying 16 rows by it; three sets.
StepCosts Machine(double mix = 0.0) {
  StepCosts costs;
  for (const int32_t rows : {1, 2, 4, 8, 16, 32, 64}) {
    const double dense = std::max(16, rows);
    costs.points.push_back({rows, dense, 3 * dense});
  }
  costs.mix = mix;
  return costs;
}

std::vector<JoiningRows> Distinct(int lanes, int rows, bool mixed) {
  std::vector<JoiningRows> joining;
  for (int i = 0; i < lanes; ++i) joining.push_back({static_cast<uint64_t>(i), rows, 32, mixed});
  return joining;
}

TEST(PathPlanTest, OneRequestRunsOnItsMixture) {
  EXPECT_THAT(PlanPaths(Machine(), {}, Distinct(1, 1, true)), ElementsAre(kDense));
}

TEST(PathPlanTest, MoreLanesThanSetsRunOverTheBasis) {
  EXPECT_THAT(PlanPaths(Machine(), {}, Distinct(2, 1, true)), Each(kDense));
  EXPECT_THAT(PlanPaths(Machine(), {}, Distinct(4, 1, true)), Each(kBasis));
  EXPECT_THAT(PlanPaths(Machine(), {}, Distinct(16, 1, true)), Each(kBasis));
}

TEST(PathPlanTest, RowsThatShareALaneAreWorthAMixture) {
  EXPECT_THAT(PlanPaths(Machine(), {}, Distinct(4, 16, true)), Each(kDense));
}

TEST(PathPlanTest, AHotLaneStaysDenseBesideManyCold) {
  std::vector<JoiningRows> joining = Distinct(16, 1, false);
  for (int i = 0; i < 16; ++i) joining.push_back({99, 1, 32, true});
  const std::vector<ExecutionPath> paths = PlanPaths(Machine(), {}, joining);
  EXPECT_THAT(std::vector(paths.begin(), paths.begin() + 16), Each(kBasis));
  EXPECT_THAT(std::vector(paths.begin() + 16, paths.end()), Each(kDense));
}

TEST(PathPlanTest, AMixThatDoesNotPayIsNotMade) {
  const StepCosts costs = Machine(/*mix=*/80.0);
  EXPECT_THAT(PlanPaths(costs, {}, std::vector<JoiningRows>{{1, 1, 1, false}}), ElementsAre(kBasis));
  EXPECT_THAT(PlanPaths(costs, {}, std::vector<JoiningRows>{{1, 1, 32, false}}), ElementsAre(kDense));
  EXPECT_THAT(PlanPaths(costs, {}, std::vector<JoiningRows>{{1, 1, 1, true}}), ElementsAre(kDense));
}

TEST(PathPlanTest, JoinsWhatRuns) {
  const std::vector<RunningRows> basis = {{1, 8, kBasis}};  // Its sets are read anyway.
  EXPECT_THAT(PlanPaths(Machine(), basis, Distinct(1, 1, true)), ElementsAre(kBasis));
  const std::vector<RunningRows> dense = {{0, 8, kDense}};
  EXPECT_THAT(PlanPaths(Machine(80.0), dense, std::vector<JoiningRows>{{0, 1, 1, false}}), ElementsAre(kDense));
}

TEST(PathPlanTest, WithoutCostsAllIsDense) { EXPECT_THAT(PlanPaths({}, {}, Distinct(32, 1, false)), Each(kDense)); }

TEST(PathPlanTest, NoOtherSplitOfTheLanesIsCheaper) {
  // Every assignment of a path to each of eight lanes, by brute force.
  const StepCosts costs = Machine(5.0);
  for (uint32_t seed = 1; seed < 200; ++seed) {
    std::vector<JoiningRows> joining;
    for (uint64_t lane = 0; lane < 8; ++lane) {
      const uint32_t draw = (seed * 2654435761u) >> (lane * 3 % 24);
      joining.push_back({lane, static_cast<int32_t>(1 + draw % 12), 16, draw % 2 == 0});
    }
    const auto cost_of = [&](auto path_of) {
      double cost = 0.0;
      int32_t basis = 0;
      for (size_t i = 0; i < joining.size(); ++i) {
        if (path_of(i) == kBasis) {
          basis += joining[i].rows;
        } else {
          cost += costs.Dense(joining[i].rows) + (joining[i].mixed ? 0.0 : costs.mix / joining[i].steps);
        }
      }
      return cost + costs.Basis(basis);
    };
    double least = cost_of([](size_t) { return kDense; });
    for (uint32_t bits = 0; bits < 256; ++bits) {
      least = std::min(least, cost_of([&](size_t i) { return bits >> i & 1 ? kBasis : kDense; }));
    }
    const std::vector<ExecutionPath> paths = PlanPaths(costs, {}, joining);
    EXPECT_LE(cost_of([&](size_t i) { return paths[i]; }), 1.05 * least) << seed;
  }
}

}  // namespace
}  // namespace trimtab
