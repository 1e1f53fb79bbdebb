// The objective, its advantages, and what theory says about them on tables small enough to enumerate.
#include "trainer/objective.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "trainer/step_random.h"
#include "trainer/weighting_sampler.h"

namespace trimtab {
namespace {

using Table = std::vector<double>;  // One number per possible output of one context.

Table Softmax(const Table& logits) {
  const double highest = *std::max_element(logits.begin(), logits.end());
  Table p;
  for (double logit : logits) p.push_back(std::exp(logit - highest));
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& value : p) value /= sum;
  return p;
}

// (1 - t) a + t b
Table Between(const Table& a, const Table& b, double t) {
  Table mixed;
  for (size_t i = 0; i < a.size(); ++i) mixed.push_back((1.0 - t) * a[i] + t * b[i]);
  return mixed;
}

Weighting WeightingOf(double alpha, std::vector<double> w) {
  const int rewards = static_cast<int>(w.size());
  return *Weighting::Create({MixingKind::kSoftmdp, 0.01}, rewards, alpha, std::move(w));
}

TEST(ObjectiveTest, IsTheWeightedRewardMinusTheDivergence) {
  const std::vector<Outcome> outcomes = {{{1.0, 0.5}, 2.0}, {{0.0, -1.0}, -0.5}};
  const std::vector<double> objectives = Objectives(WeightingOf(0.1, {0.25, 0.75}), outcomes);
  EXPECT_NEAR(objectives[0], 0.9 * 0.625 - 0.1 * 2.0, 1e-12);
  EXPECT_NEAR(objectives[1], 0.9 * -0.75 + 0.1 * 0.5, 1e-12);
}

TEST(ObjectiveTest, TheControlVariateIsWeightedAsTheRewardIs) {
  const std::vector<double> objectives = {0.4, 0.1};
  const std::vector<std::vector<double>> values = {{1.0, 0.0}, {0.5, 0.5}};
  const std::vector<double> advantages = ValueAdvantages(WeightingOf(0.5, {0.25, 0.75}), objectives, values);
  EXPECT_NEAR(advantages[0], 0.4 - 0.5 * 0.25, 1e-12);
  EXPECT_NEAR(advantages[1], 0.1 - 0.5 * 0.5, 1e-12);
}

TEST(ObjectiveTest, LeaveOneOutComparesASampleWithTheOthersOfItsArticle) {
  const std::vector<double> objectives = {1.0, 2.0, 6.0, 0.0, 0.0, 3.0};
  EXPECT_EQ(LeaveOneOutAdvantages(objectives, 3), (std::vector<double>{-3.0, -1.5, 4.5, -1.5, -1.5, 3.0}));
}

TEST(ObjectiveTest, NormalisedAdvantagesHaveMeanZeroAndDeviationOne) {
  std::vector<double> advantages = {1.0, 2.0, 3.0, 10.0};
  NormalizeAdvantages(&advantages);
  double sum = 0.0, square = 0.0;
  for (double a : advantages) sum += a, square += a * a;
  EXPECT_NEAR(sum, 0.0, 1e-12);
  EXPECT_NEAR(square / 4.0, 1.0, 1e-12);
  std::vector<double> equal = {0.3, 0.3};
  NormalizeAdvantages(&equal);
  EXPECT_EQ(equal, (std::vector<double>{0.0, 0.0}));
}

// Sequences of two tokens from a vocabulary of three, in which the second depends on the first.
TEST(ObjectiveTest, SampledLogRatiosEstimateTheDivergenceThatEnumerationGives) {
  const std::array<Table, 4> policy = {Softmax({0.3, -0.2, 0.9}), Softmax({1.0, 0.0, 0.0}), Softmax({-1.0, 0.5, 0.0}),
                                       Softmax({0.0, 0.0, 2.0})};
  const std::array<Table, 4> reference = {Softmax({0.0, 0.0, 0.0}), Softmax({0.5, 0.5, 0.0}), Softmax({0.0, 0.0, 0.3}),
                                          Softmax({0.2, 0.0, 1.0})};
  const auto log_ratio = [&](int a, int b) {
    return std::log(policy[0][a] * policy[1 + a][b]) - std::log(reference[0][a] * reference[1 + a][b]);
  };
  double exact = 0.0, variance = 0.0;
  for (int a = 0; a < 3; ++a) {
    for (int b = 0; b < 3; ++b) exact += policy[0][a] * policy[1 + a][b] * log_ratio(a, b);
  }
  for (int a = 0; a < 3; ++a) {
    for (int b = 0; b < 3; ++b) variance += policy[0][a] * policy[1 + a][b] * std::pow(log_ratio(a, b) - exact, 2);
  }
  std::mt19937_64 random(3);
  const Weighting weighting = WeightingOf(1.0, {1.0});
  constexpr int kSamples = 100000;
  double sum = 0.0;
  for (int i = 0; i < kSamples; ++i) {
    const int a = std::discrete_distribution<int>(policy[0].begin(), policy[0].end())(random);
    const int b = std::discrete_distribution<int>(policy[1 + a].begin(), policy[1 + a].end())(random);
    sum -= Objectives(weighting, std::vector<Outcome>{{{0.0}, log_ratio(a, b)}})[0];
  }
  EXPECT_NEAR(sum / kSamples, exact, 4.0 * std::sqrt(variance / kSamples));
}

// Section 6.2 and figure 19: one context, three outputs, R_1 = (1, 0, 0.75), R_2 = (0, 1, 0.75), alpha = 0, beta = 0.
class CounterexampleTest : public testing::TestWithParam<int> {
 protected:
  static constexpr double kRate = 0.5;
  const std::array<Table, 2> rewards_ = {Table{1.0, 0.0, 0.75}, Table{0.0, 1.0, 0.75}};

  Table Start() {
    std::mt19937_64 random(StepSeed(GetParam(), Chance::kRollout, 0));
    std::normal_distribution<double> normal(0.0, 0.1);
    return {normal(random), normal(random), normal(random)};
  }
  // The exact gradient of the expected reward with respect to the logits.
  static Table Gradient(const Table& logits, const Table& reward) {
    const Table p = Softmax(logits);
    const double mean = std::inner_product(p.begin(), p.end(), reward.begin(), 0.0);
    Table gradient;
    for (size_t i = 0; i < p.size(); ++i) gradient.push_back(p[i] * (reward[i] - mean));
    return gradient;
  }
  static void Move(const Table& gradient, double share, Table* logits) {
    for (size_t i = 0; i < gradient.size(); ++i) (*logits)[i] += kRate * share * gradient[i];
  }
};

TEST_P(CounterexampleTest, ZeroShotMixturesMissTheThirdOutputAndConditionedTrainingFindsIt) {
  // Experts, each trained alone until it is all but optimal. In a table, mixing parameters is mixing logits.
  std::array<Table, 2> experts = {Start(), Start()};
  for (int i = 0; i < 2; ++i) {
    while (Softmax(experts[i])[i] < 0.995) Move(Gradient(experts[i], rewards_[i]), 1.0, &experts[i]);
    EXPECT_GE(Softmax(experts[i])[i], 0.99);
  }
  EXPECT_LT(Softmax(Between(experts[0], experts[1], 0.5))[2], 0.1);

  // Algorithm 1 with A.3's spread.
  std::array<Table, 2> sets = {Start(), Start()};
  ClpConfig clp;
  clp.mixing = {MixingKind::kFixed, 0.01};  // The sampler's alpha is not used: the objective here has none.
  clp.rewards.resize(2);
  ASSERT_OK_AND_ASSIGN(const WeightingSampler sampler, WeightingSampler::Create(clp, {}));
  for (uint64_t step = 0; step < 20000; ++step) {
    std::mt19937_64 random = StepRandom(GetParam(), Chance::kWeighting, step);
    const std::vector<double> w = sampler.Sample(step, random).w();
    const Table gradient = Gradient(Between(sets[0], sets[1], w[1]), Between(rewards_[0], rewards_[1], w[1]));
    for (int i = 0; i < 2; ++i) Move(gradient, w[i], &sets[i]);
  }
  EXPECT_GT(Softmax(Between(sets[0], sets[1], 0.5))[2], 0.9);
}

INSTANTIATE_TEST_SUITE_P(Seeds, CounterexampleTest, testing::Range(0, 10));

// Section 6.1: with alpha > 0 and experts that cover each other, mixing logits is as good as training.
class LogitMixingTheoryTest : public testing::Test {
 protected:
  static constexpr double kAlpha = 0.3;
  const Table log_reference_ = {-0.9, -1.2, -1.6, -2.2};
  const std::array<Table, 2> rewards_ = {Table{1.0, 0.0, 0.75, 0.2}, Table{0.0, 1.0, 0.75, 0.1}};

  // Logits of the optimal policy for a reward: log pi_ref + (1 - alpha) R / alpha.
  Table OptimalLogits(const Table& reward) const {
    Table logits;
    for (size_t i = 0; i < reward.size(); ++i) {
      logits.push_back(log_reference_[i] + (1.0 - kAlpha) / kAlpha * reward[i]);
    }
    return logits;
  }
  double Value(const Table& policy, const Table& reward) const {
    const Table reference = Softmax(log_reference_);
    double value = 0.0;
    for (size_t i = 0; i < policy.size(); ++i) {
      const Outcome outcome{{reward[i]}, std::log(policy[i] / reference[i])};
      value += policy[i] * Objectives(WeightingOf(kAlpha, {1.0}), {&outcome, 1})[0];
    }
    return value;
  }
  double Loss(const Table& policy, const Table& reward) const {
    return Value(Softmax(OptimalLogits(reward)), reward) - Value(policy, reward);
  }
};

TEST_F(LogitMixingTheoryTest, MixedLogitsOfExactExpertsAreTheOptimalPolicy) {
  for (double lambda : {0.0, 0.2, 0.5, 0.9, 1.0}) {
    const Table mixed = Softmax(Between(OptimalLogits(rewards_[0]), OptimalLogits(rewards_[1]), lambda));
    const Table optimal = Softmax(OptimalLogits(Between(rewards_[0], rewards_[1], lambda)));
    for (size_t i = 0; i < mixed.size(); ++i) EXPECT_NEAR(mixed[i], optimal[i], 1e-9);
    EXPECT_NEAR(Loss(mixed, Between(rewards_[0], rewards_[1], lambda)), 0.0, 1e-9);
  }
}

TEST_F(LogitMixingTheoryTest, TheoremTwoBoundsWhatMixingAlmostOptimalExpertsLoses) {
  std::mt19937_64 random(5);
  for (int trial = 0; trial < 200; ++trial) {
    std::normal_distribution<double> noise(0.0, trial % 2 == 0 ? 0.05 : 0.4);
    std::array<Table, 2> logits, experts;
    double epsilon = 0.0, smallest = 1.0, size = 0.0;
    for (int i = 0; i < 2; ++i) {
      logits[i] = OptimalLogits(rewards_[i]);
      for (double& logit : logits[i]) logit += noise(random);
      for (double& logit : logits[i]) logit -= logits[i].back();  // As the proof has them: the last is 0.
      experts[i] = Softmax(logits[i]);
      epsilon = std::max(epsilon, Loss(experts[i], rewards_[i]));
      smallest = std::min(smallest, *std::min_element(experts[i].begin(), experts[i].end()));
      for (double logit : logits[i]) size = std::max(size, std::abs(logit));
    }
    std::array<double, 2> coverage = {0.0, 0.0};  // C_{2,1} and C_{1,2}.
    for (size_t a = 0; a < experts[0].size(); ++a) {
      coverage[0] = std::max(coverage[0], experts[0][a] / experts[1][a]);
      coverage[1] = std::max(coverage[1], experts[1][a] / experts[0][a]);
    }
    for (double lambda : {0.1, 0.5, 0.8}) {
      const Table mixed = Softmax(Between(logits[0], logits[1], lambda));
      const double bound = epsilon * (std::exp(size * size / 8.0) * ((1.0 - lambda) * std::pow(coverage[0], lambda) +
                                                                     lambda * std::pow(coverage[1], 1.0 - lambda)) +
                                      4.0 * 4.0 / smallest);
      EXPECT_LE(Loss(mixed, Between(rewards_[0], rewards_[1], lambda)), bound) << trial << " " << lambda;
    }
  }
}

}  // namespace
}  // namespace trimtab
