#include "trainer/weighting_sampler.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "trainer/step_random.h"

namespace trimtab {
namespace {

constexpr int kDraws = 20000;
// A Kolmogorov-Smirnov distance that 20,000 draws exceed once in ten thousand times; the seed is fixed anyway.
constexpr double kDistance = 0.0158;

ClpConfig Clp(int rewards, MixingRule mixing = {MixingKind::kSoftmdp, 0.01}) {
  ClpConfig clp;
  clp.mixing = mixing;
  for (int i = 0; i < rewards; ++i) clp.rewards.emplace_back().name = "r" + std::to_string(i);
  return clp;
}

SamplingRule Rule(std::vector<double> dirichlet, std::vector<double> fixed_w, std::optional<double> fixed_alpha) {
  SamplingRule rule;
  rule.dirichlet = std::move(dirichlet);
  rule.fixed_w = std::move(fixed_w);
  rule.fixed_alpha = fixed_alpha;
  return rule;
}

std::vector<Weighting> Draw(const ClpConfig& clp, const SamplingRule& rule) {
  const auto sampler = WeightingSampler::Create(clp, rule);
  EXPECT_OK(sampler);
  std::mt19937_64 random(7);
  std::vector<Weighting> draws;
  for (int i = 0; i < kDraws; ++i) draws.push_back(sampler->Sample(i, random));
  return draws;
}

// Largest distance between the empirical distribution and `cdf`.
template <typename Cdf>
double Distance(std::vector<double> values, Cdf cdf) {
  std::sort(values.begin(), values.end());
  double distance = 0.0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double expected = cdf(values[i]);
    distance = std::max({distance, std::abs(expected - i / double(values.size())),
                         std::abs(expected - (i + 1) / double(values.size()))});
  }
  return distance;
}

TEST(WeightingSamplerTest, BetaIsUniformUnderSoftmdp) {
  const ClpConfig clp = Clp(2);
  std::vector<double> shares;
  for (const Weighting& draw : Draw(clp, {})) shares.push_back(MixShare(clp.mixing, draw.alpha()));
  EXPECT_LT(Distance(shares, [](double u) { return u; }), kDistance);
}

TEST(WeightingSamplerTest, HalfOfAllAlphasLieBelowTheMedianOfThePaper) {
  const ClpConfig clp = Clp(2);
  int below = 0;
  for (const Weighting& draw : Draw(clp, {})) below += draw.alpha() < 2 * 0.01 / (0.01 + 1.0);
  EXPECT_NEAR(below / double(kDraws), 0.5, 0.015);
}

TEST(WeightingSamplerTest, AlphaIsUniformUnderLinearMixing) {
  std::vector<double> alphas;
  for (const Weighting& draw : Draw(Clp(2, {MixingKind::kLinear, 0.2}), {})) alphas.push_back(draw.alpha());
  EXPECT_LT(Distance(alphas, [](double alpha) { return (alpha - 0.2) / 0.8; }), kDistance);
}

TEST(WeightingSamplerTest, TheFirstOfTwoWeightsIsUniformUnderDirichletOfOne) {
  std::vector<double> first;
  for (const Weighting& draw : Draw(Clp(2), {})) first.push_back(draw.w()[0]);
  EXPECT_LT(Distance(first, [](double w) { return w; }), kDistance);
}

TEST(WeightingSamplerTest, AWeightOfThreeFollowsItsBetaDistribution) {
  // Dirichlet(1, 1, 1): the marginal is Beta(1, 2). Dirichlet(1, 2, 1): the second is Beta(2, 2).
  std::vector<double> first, second;
  for (const Weighting& draw : Draw(Clp(3), {})) first.push_back(draw.w()[0]);
  for (const Weighting& draw : Draw(Clp(3), Rule({1.0, 2.0, 1.0}, {}, {}))) {
    second.push_back(draw.w()[1]);
  }
  EXPECT_LT(Distance(first, [](double w) { return 1.0 - (1.0 - w) * (1.0 - w); }), kDistance);
  EXPECT_LT(Distance(second, [](double w) { return w * w * (3.0 - 2.0 * w); }), kDistance);
}

TEST(WeightingSamplerTest, SmallConcentrationsGiveMostWeightToOneReward) {
  double largest = 0.0;
  const SamplingRule rule = Rule({0.3}, {}, {});
  for (const Weighting& draw : Draw(Clp(3), rule)) largest += std::max({draw.w()[0], draw.w()[1], draw.w()[2]});
  EXPECT_GT(largest / kDraws, 0.75);
}

TEST(WeightingSamplerTest, JointSamplesOfAlphaAndWAreIndependent) {
  const ClpConfig clp = Clp(2);
  double sum = 0.0;
  for (const Weighting& draw : Draw(clp, {})) sum += (MixShare(clp.mixing, draw.alpha()) - 0.5) * (draw.w()[0] - 0.5);
  EXPECT_NEAR(sum / kDraws * 12.0, 0.0, 0.03) << "the correlation of two uniform numbers";
}

TEST(WeightingSamplerTest, WhatIsFixedIsNotDrawn) {
  const SamplingRule rule = Rule({1.0}, {0.25, 0.75}, 0.5);
  for (const Weighting& draw : Draw(Clp(2), rule)) {
    ASSERT_EQ(draw.alpha(), 0.5);
    ASSERT_EQ(draw.w(), (std::vector<double>{0.25, 0.75}));
  }
  EXPECT_EQ(Draw(Clp(2, {MixingKind::kFixed, 0.01}), {})[0].alpha(), 0.01) << "a checkpoint of one alpha";
}

TEST(WeightingSamplerTest, RewardedSoupsGoRoundTheVerticesSoThatEveryRewardGetsEquallyManySteps) {
  SamplingRule rule;
  rule.vertices = true;
  const std::vector<Weighting> draws = Draw(Clp(3, {MixingKind::kFixed, 0.01}), rule);
  for (size_t step = 0; step < draws.size(); ++step) ASSERT_EQ(draws[step].w()[step % 3], 1.0);
}

TEST(WeightingSamplerTest, RefusesRulesThatDoNotFitTheCheckpoint) {
  const auto refused = [](const ClpConfig& clp, const SamplingRule& rule) {
    return WeightingSampler::Create(clp, rule).status().code() == absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused(Clp(0), {}));
  EXPECT_TRUE(refused(Clp(2), Rule({1.0, 1.0, 1.0}, {}, {})));
  EXPECT_TRUE(refused(Clp(2), Rule({0.0}, {}, {})));
  EXPECT_TRUE(refused(Clp(2), Rule({1.0}, {0.5, 0.6}, {})));
  EXPECT_TRUE(refused(Clp(2), Rule({1.0}, {}, 0.001)));
}

TEST(StepSeedTest, EveryStepPurposeAndIndexHasANumberOfItsOwn) {
  std::vector<uint64_t> seeds;
  for (uint64_t step = 0; step < 20; ++step) {
    for (uint64_t index = 0; index < 20; ++index) {
      for (Chance purpose : {Chance::kWeighting, Chance::kShuffle, Chance::kRollout}) {
        seeds.push_back(StepSeed(1, purpose, step, index));
      }
    }
  }
  std::sort(seeds.begin(), seeds.end());
  EXPECT_EQ(std::unique(seeds.begin(), seeds.end()), seeds.end());
}

}  // namespace
}  // namespace trimtab
