#include "model/weighting.h"

#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/field_error.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr MixingRule kSoft{MixingKind::kSoftmdp, 0.1};
constexpr MixingRule kLinear{MixingKind::kLinear, 0.1};
constexpr MixingRule kFixed{MixingKind::kFixed, 0.1};

std::vector<float> CoefficientsOf(const MixingRule& rule, double alpha, std::vector<double> w,
                                  const CoefficientGrid& grid = {}) {
  auto weighting = Weighting::Create(rule, static_cast<int>(w.size()), alpha, w);
  EXPECT_THAT(weighting, IsOk());
  return Coefficients::From(rule, *weighting, grid).values();
}

TEST(MixShareTest, RunsFromNothingAtAlphaMinToAllAtOne) {
  EXPECT_EQ(MixShare(kSoft, 0.1), 0.0);
  EXPECT_EQ(MixShare(kSoft, 1.0), 1.0);
  EXPECT_NEAR(MixShare(kSoft, 0.5), 0.4 / 0.45, 1e-15);
  EXPECT_EQ(MixShare(kLinear, 0.5), 0.5);
  EXPECT_EQ(MixShare(kLinear, 0.1), 0.1);
  EXPECT_EQ(MixShare(kFixed, 0.1), 0.0);
  EXPECT_EQ(MixShare({MixingKind::kSoftmdp, 1.0}, 1.0), 1.0);
}

TEST(MixShareTest, AlphaOfShareTurnsItBack) {
  for (const MixingRule& rule : {kSoft, kLinear, MixingRule{MixingKind::kSoftmdp, 0.01}}) {
    for (const double alpha : {0.1, 0.25, 0.7, 1.0}) {
      EXPECT_NEAR(AlphaOfShare(rule, MixShare(rule, alpha)), alpha, 1e-12);
    }
  }
  EXPECT_EQ(AlphaOfShare(kSoft, 0.0), 0.1);
  EXPECT_EQ(AlphaOfShare({MixingKind::kSoftmdp, 0.01}, 1.0), 1.0);
  EXPECT_EQ(AlphaOfShare(kFixed, 0.0), 0.1);
}

TEST(WeightingTest, TakesWhatLiesOnTheSimplex) {
  const auto weighting = Weighting::Create(kSoft, 3, 0.5, {0.2, 0.3, 0.5});
  ASSERT_THAT(weighting, IsOk());
  EXPECT_EQ(weighting->alpha(), 0.5);
  EXPECT_THAT(weighting->w(), ElementsAre(0.2, 0.3, 0.5));
}

TEST(WeightingTest, NormalisesASumThatIsALittleOff) {
  for (double off : {5e-4, -5e-4}) {
    const auto weighting = Weighting::Create(kSoft, 2, 0.5, {0.5, 0.5 + off});
    ASSERT_THAT(weighting, IsOk());
    EXPECT_THAT(weighting->w(),
                ElementsAre(DoubleNear(0.5 / (1 + off), 1e-15), DoubleNear((0.5 + off) / (1 + off), 1e-15)));
  }
}

struct Bad {
  std::string name;
  double alpha;
  std::vector<double> w;
  std::string field;
};

class BadWeightingTest : public ::testing::TestWithParam<Bad> {};

TEST_P(BadWeightingTest, NamesTheField) {
  const auto weighting = Weighting::Create(kSoft, 2, GetParam().alpha, GetParam().w);
  ASSERT_THAT(weighting, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(FieldOf(weighting.status()), GetParam().field) << weighting.status();
}

INSTANTIATE_TEST_SUITE_P(All, BadWeightingTest,
                         ::testing::Values(Bad{"NanAlpha", kNan, {0.5, 0.5}, "alpha"},                      //
                                           Bad{"InfiniteAlpha", kInf, {0.5, 0.5}, "alpha"},                 //
                                           Bad{"NegativeAlpha", -0.5, {0.5, 0.5}, "alpha"},                 //
                                           Bad{"AlphaUnderTheLeast", 0.0999, {0.5, 0.5}, "alpha"},          //
                                           Bad{"AlphaOverOne", 1.0001, {0.5, 0.5}, "alpha"},                //
                                           Bad{"NanWeight", 0.5, {kNan, 0.5}, "weights[0]"},                //
                                           Bad{"InfiniteWeight", 0.5, {0.5, kInf}, "weights[1]"},           //
                                           Bad{"NegativeWeight", 0.5, {1.5, -0.5}, "weights[0]"},           //
                                           Bad{"SlightlyNegativeWeight", 0.5, {1.0, -1e-9}, "weights[1]"},  //
                                           Bad{"HugeWeight", 0.5, {1e308, 1e308}, "weights[0]"},            //
                                           Bad{"SumOff", 0.5, {0.5, 0.502}, "weights"},                     //
                                           Bad{"SumZero", 0.5, {0.0, 0.0}, "weights"},                      //
                                           Bad{"TooFew", 0.5, {1.0}, "weights"},                            //
                                           Bad{"TooMany", 0.5, {0.5, 0.5, 0.0}, "weights"},                 //
                                           Bad{"None", 0.5, {}, "weights"}),
                         [](const auto& info) { return info.param.name; });

TEST(WeightingTest, AFixedCheckpointTakesItsOneAlpha) {
  EXPECT_THAT(Weighting::Create(kFixed, 2, 0.1, {0.5, 0.5}), IsOk());
  EXPECT_THAT(Weighting::Create(kFixed, 2, 0.2, {0.5, 0.5}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("expected 0.1")));
}

TEST(WeightingTest, ACheckpointWithoutRewardsTakesNoWeights) {
  EXPECT_THAT(Weighting::Create(kSoft, 0, 1.0, {}), IsOk());
  EXPECT_THAT(Weighting::Create(kSoft, 0, 0.5, {}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Weighting::Create(kSoft, 0, 1.0, {1.0}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(CoefficientsOf(kSoft, 1.0, {}), ElementsAre(1.0f));
}

TEST(CoefficientsTest, AVertexAtAlphaMinIsOneSetAndAlphaOneIsTheReference) {
  EXPECT_THAT(CoefficientsOf(kSoft, 0.1, {1.0, 0.0}), ElementsAre(1.0f, 0.0f, 0.0f));
  EXPECT_THAT(CoefficientsOf(kSoft, 0.1, {0.0, 1.0}), ElementsAre(0.0f, 1.0f, 0.0f));
  EXPECT_THAT(CoefficientsOf(kSoft, 1.0, {0.3, 0.7}), ElementsAre(0.0f, 0.0f, 1.0f));
  EXPECT_THAT(CoefficientsOf(kLinear, 0.25, {1.0, 0.0}), ElementsAre(0.75f, 0.0f, 0.25f));
  EXPECT_THAT(CoefficientsOf(kFixed, 0.1, {0.25, 0.75}), ElementsAre(0.25f, 0.75f));
}

// On every grid: multiples of 2^-20, none negative, within the grid's reach of the exact product, sum exactly 1.
TEST(CoefficientsTest, SumToExactlyOneCloseToTheFormula) {
  std::mt19937_64 random(7);
  std::exponential_distribution<double> exponential;
  std::uniform_real_distribution<double> uniform(0.1, 1.0);
  for (int trial = 0; trial < 2000; ++trial) {
    std::vector<double> w(1 + trial % 16);
    for (double& entry : w) entry = exponential(random);
    const double sum = std::accumulate(w.begin(), w.end(), 0.0);
    for (double& entry : w) entry /= sum;
    const double alpha = uniform(random);
    const CoefficientGrid grid{1 + trial % 20, 1 + trial / 7 % 20};
    const std::vector<float> c = CoefficientsOf(kSoft, alpha, w, grid);
    ASSERT_EQ(c.size(), w.size() + 1);
    const double beta = MixShare(kSoft, alpha);
    const double reach = std::ldexp(1.0, -grid.w_bits) + std::ldexp(1.0, -grid.beta_bits) + std::ldexp(1.0, -20);
    double total = 0;
    for (size_t i = 0; i < c.size(); ++i) {
      const double exact = i < w.size() ? (1 - beta) * w[i] : beta;
      EXPECT_GE(c[i], 0.0f);
      EXPECT_EQ(std::ldexp(c[i], 20), std::round(std::ldexp(c[i], 20)));
      EXPECT_NEAR(c[i], exact, reach);
      total += c[i];
    }
    EXPECT_EQ(total, 1.0);
  }
}

TEST(CoefficientsTest, ACoarseGridGivesFewKeys) {
  std::set<std::string> keys;
  for (int i = 0; i <= 1000; ++i) {
    const double w = i / 1000.0;
    const auto weighting = Weighting::Create(kSoft, 2, 0.1, {w, 1 - w});
    keys.insert(Coefficients::From(kSoft, *weighting, {.w_bits = 4, .beta_bits = 4}).Key());
  }
  EXPECT_EQ(keys.size(), 17u);
}

TEST(CoefficientsTest, WeightingsThatMixTheSameShareAKey) {
  const auto a = Weighting::Create(kSoft, 2, 1.0, {0.3, 0.7});
  const auto b = Weighting::Create(kSoft, 2, 1.0, {0.9, 0.1});
  EXPECT_EQ(Coefficients::From(kSoft, *a, {}).Key(), Coefficients::From(kSoft, *b, {}).Key());
  const auto c = Weighting::Create(kSoft, 2, 0.5, {0.3, 0.7});
  EXPECT_NE(Coefficients::From(kSoft, *a, {}).Key(), Coefficients::From(kSoft, *c, {}).Key());
}

}  // namespace
}  // namespace trimtab
