#include "server/exploration.h"

#include <cmath>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/field_error.h"

namespace trimtab {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

ClpConfig Rewards(int count) {
  ClpConfig clp;
  for (int i = 0; i < count; ++i)
    clp.rewards.push_back({.name = "r" + std::to_string(i), .description = "", .score = "", .composite = {}});
  clp.mixing = {MixingKind::kSoftmdp, 0.01};
  clp.default_alpha = 0.1;
  return clp;
}

absl::StatusOr<std::vector<Steering>> Expand(const WeightingGrid& grid, const ClpConfig& clp = Rewards(2),
                                             const SteeringBounds& bounds = {}) {
  return ExpandGrid(clp, bounds, CoefficientGrid(), grid);
}

std::vector<std::vector<double>> WeightsOf(const std::vector<Steering>& points) {
  std::vector<std::vector<double>> weights;
  for (const Steering& point : points) weights.push_back(point.weighting.w());
  return weights;
}

std::vector<double> AlphasOf(const std::vector<Steering>& points) {
  std::vector<double> alphas;
  for (const Steering& point : points) alphas.push_back(point.weighting.alpha());
  return alphas;
}

TEST(ExpandGridTest, RunsFromTheFirstVertexToTheLastAtTheDefaultAlpha) {
  const auto points = Expand({.divisions = 4, .alphas = {}});
  ASSERT_TRUE(points.ok()) << points.status();
  EXPECT_THAT(WeightsOf(*points), ElementsAre(ElementsAre(1.0, 0.0), ElementsAre(0.75, 0.25), ElementsAre(0.5, 0.5),
                                              ElementsAre(0.25, 0.75), ElementsAre(0.0, 1.0)));
  for (const double alpha : AlphasOf(*points)) EXPECT_EQ(alpha, 0.1);
}

TEST(ExpandGridTest, ThreeRewardsGiveATriangle) {
  const auto points = Expand({.divisions = 2, .alphas = {}}, Rewards(3));
  ASSERT_TRUE(points.ok()) << points.status();
  EXPECT_THAT(WeightsOf(*points), ElementsAre(ElementsAre(1, 0, 0), ElementsAre(0.5, 0.5, 0), ElementsAre(0.5, 0, 0.5),
                                              ElementsAre(0, 1, 0), ElementsAre(0, 0.5, 0.5), ElementsAre(0, 0, 1)));
}

TEST(ExpandGridTest, OneRewardHasOnePoint) {
  EXPECT_THAT(*Expand({.divisions = 64, .alphas = {}}, Rewards(1)), SizeIs(1));
}

TEST(ExpandGridTest, ListedAlphasComeFirstAndTheSweepIsEvenInTheShareOfTheReference) {
  const auto points = Expand({.divisions = 1, .alphas = {0.5}, .alpha_sweep = 3});
  ASSERT_TRUE(points.ok()) << points.status();
  const std::vector<double> alphas = AlphasOf(*points);
  const double half_share = 0.01 / (1.0 - 0.5 * 0.99);
  EXPECT_THAT(alphas,
              ElementsAre(0.5, 0.5, 0.01, 0.01, DoubleNear(half_share, 1e-12), DoubleNear(half_share, 1e-12), 1, 1));
  EXPECT_FLOAT_EQ(points->at(4).coefficients.values()[2], 0.5f);
}

TEST(ExpandGridTest, TheSweepBeginsAtTheOperatorsFloor) {
  const auto points =
      Expand({.divisions = 1, .alphas = {}, .alpha_sweep = 2}, Rewards(2), {.alpha_floor = 0.25, .rewards = {}});
  ASSERT_TRUE(points.ok()) << points.status();
  EXPECT_THAT(AlphasOf(*points), ElementsAre(0.25, 0.25, 1, 1));
}

TEST(ExpandGridTest, LeavesOutWeightsBeyondTheOperatorsBounds) {
  const SteeringBounds bounds{.alpha_floor = 0, .rewards = {{"r1", {.low = 0.2, .high = 0.8}}}};
  const auto points = Expand({.divisions = 4, .alphas = {}}, Rewards(2), bounds);
  ASSERT_TRUE(points.ok()) << points.status();
  EXPECT_THAT(WeightsOf(*points), SizeIs(3));
  EXPECT_EQ(FieldOf(Expand({.divisions = 1, .alphas = {}}, Rewards(2), bounds).status()), "grid") << "none is left";
}

void ExpectRefused(const WeightingGrid& grid, absl::string_view field, const ClpConfig& clp = Rewards(2)) {
  const absl::Status status = Expand(grid, clp).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << field << ": " << status;
  EXPECT_EQ(FieldOf(status), field) << status;
}

TEST(ExpandGridTest, RefusesByName) {
  ClpConfig fixed = Rewards(2);
  fixed.mixing = {MixingKind::kFixed, 0.1};
  ExpectRefused({.divisions = 0, .alphas = {}}, "grid.divisions");
  ExpectRefused({.divisions = -7, .alphas = {}}, "grid.divisions");
  ExpectRefused({.divisions = 65, .alphas = {}}, "grid.divisions");
  ExpectRefused({.divisions = 1, .alphas = std::vector<double>(33, 0.5)}, "grid.alphas");
  ExpectRefused({.divisions = 1, .alphas = {0.5, 0.001}}, "grid.alphas[1]");
  ExpectRefused({.divisions = 1, .alphas = {std::nan("")}}, "grid.alphas[0]");
  ExpectRefused({.divisions = 1, .alphas = {}, .alpha_sweep = 1}, "grid.alpha_sweep");
  ExpectRefused({.divisions = 1, .alphas = {}, .alpha_sweep = -1}, "grid.alpha_sweep");
  ExpectRefused({.divisions = 1, .alphas = {}, .alpha_sweep = 33}, "grid.alpha_sweep");
  ExpectRefused({.divisions = 1, .alphas = {}, .alpha_sweep = 2}, "grid.alpha_sweep", fixed);
  ExpectRefused({.divisions = 1, .alphas = {}}, "grid", Rewards(0));
  ExpectRefused({.divisions = 64, .alphas = {0.1, 0.2, 0.3, 0.4}}, "grid");  // 65 * 4.
  ExpectRefused({.divisions = 22, .alphas = {}}, "grid", Rewards(3));        // 276.
  ExpectRefused({.divisions = 64, .alphas = {}}, "grid", Rewards(16));       // More than 10^15.
}

TEST(ExpandGridTest, TakesExactlyTheLimit) {
  EXPECT_THAT(*Expand({.divisions = 63, .alphas = {0.1, 0.2, 0.3, 0.4}}), SizeIs(256));
  EXPECT_THAT(*Expand({.divisions = 21, .alphas = {}}, Rewards(3)), SizeIs(253));
}

TEST(DistinctPointsTest, EqualCoefficientsAreOnePoint) {
  // At alpha 1 every w is the reference.
  const auto asked = Expand({.divisions = 2, .alphas = {0.1, 1.0, 0.1}});
  ASSERT_TRUE(asked.ok());
  const std::vector<DistinctPoint> points = DistinctPoints(Rewards(2), *asked);
  ASSERT_THAT(points, SizeIs(4));
  EXPECT_THAT(points[0].asked, ElementsAre(0, 6));
  EXPECT_THAT(points[2].asked, ElementsAre(2, 8));
  EXPECT_THAT(points[3].asked, ElementsAre(3, 4, 5));
  EXPECT_THAT(points[3].steering.weighting.w(), ElementsAre(1.0, 0.0));
}

TEST(DistinctPointsTest, EqualCoefficientsUnderAnotherPromptAreAnother) {
  ClpConfig clp = Rewards(2);
  clp.prompt_conditioning = PromptConditioning{.labels = {"a", "b"}};
  const auto asked = Expand({.divisions = 2, .alphas = {1.0, 1.0}}, clp);
  ASSERT_TRUE(asked.ok());
  const std::vector<DistinctPoint> points = DistinctPoints(clp, *asked);
  ASSERT_THAT(points, SizeIs(3));
  EXPECT_THAT(points[1].asked, ElementsAre(1, 4));
}

}  // namespace
}  // namespace trimtab
