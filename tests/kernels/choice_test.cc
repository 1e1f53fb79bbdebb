#include "kernels/choice.h"

#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/choice_math.h"

namespace trimtab {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

TEST(ChoiceTest, ArgMaxTakesTheFirstOfEquals) {
  EXPECT_EQ(ArgMax(std::vector<float>{1, 3, 2, 3}), 1);
  EXPECT_EQ(ArgMax(std::vector<float>{kNever, kNever, -5}), 2);
}

TEST(ChoiceTest, LogSumExpSurvivesLargeAndForbiddenScores) {
  EXPECT_NEAR(LogSumExp(std::vector<float>{0, 0, 0, 0}), std::log(4.0), 1e-12);
  EXPECT_NEAR(LogSumExp(std::vector<float>{1000, 1000}), 1000 + std::log(2.0), 1e-9);
  EXPECT_NEAR(LogSumExp(std::vector<float>{2.5f, kNever}), 2.5, 1e-12);
}

TEST(ChoiceTest, KeysOrderByScoreAndThenTheSmallerId) {
  const std::vector<float> rising = {kNever, -3e38f, -2.0f, -1e-40f, 0.0f, 1e-40f, 1.0f, 3e38f};
  for (size_t i = 1; i < rising.size(); ++i) EXPECT_GT(TokenKey(rising[i], 9), TokenKey(rising[i - 1], 2));
  EXPECT_GT(TokenKey(1.0f, 2), TokenKey(1.0f, 3));
  EXPECT_EQ(TokenKey(-0.0f, 2), TokenKey(0.0f, 2));
  EXPECT_EQ(TokenOf(TokenKey(-7.0f, 250111)), 250111);
}

TEST(ChoiceTest, MassesAreThoseOfTheExponential) {
  for (const float temperature : {0.25f, 1.0f, 3.0f}) {
    const TokenMass mass{2.0f, 1.0f / temperature};
    EXPECT_EQ(mass(2.0f), uint64_t{1} << kMassBits);
    EXPECT_EQ(mass(kNever), 0u);
    for (int i = 1; i < 4000; ++i) {
      const double x = -0.01 * i / 2, expected = std::exp2(kMassBits) * std::exp(x);
      const auto score = static_cast<float>(2.0 + x * temperature);
      EXPECT_NEAR(static_cast<double>(mass(score)), expected, 1e-5 * expected + 1.0) << x;
    }
  }
}

TEST(ChoiceTest, PointsAreTheUpperHalfOfTheProduct) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 1000; ++i) {
    const uint64_t a = random(), b = random() >> (i % 60);
    __extension__ using Wide = unsigned __int128;
    EXPECT_EQ(PointWithin(a, b), static_cast<uint64_t>(static_cast<Wide>(a) * b >> 64));
  }
}

TEST(ChoiceTest, TheMassWithinIsAtLeastOneAndAtMostAll) {
  EXPECT_EQ(MassWithin(0.5f, 10), 5u);
  EXPECT_EQ(MassWithin(0.5f, 11), 6u);
  EXPECT_EQ(MassWithin(1e-6f, 11), 1u);
  EXPECT_EQ(MassWithin(1.0f, ~uint64_t{0}), ~uint64_t{0});
}

TokenRule Drawing(float temperature, int32_t top_k = 0, float top_p = 1.0f) {
  return {.temperature = temperature, .top_p = top_p, .top_k = top_k};
}

// How often each token is drawn.
std::map<int32_t, int> Draw(TokenRule rule, const std::vector<float>& scores, int draws) {
  std::mt19937_64 random(3);
  std::map<int32_t, int> counts;
  for (int i = 0; i < draws; ++i) {
    rule.random = random();
    ++counts[DrawToken(rule, scores)];
  }
  return counts;
}

TEST(DrawTokenTest, FollowsTheSoftmaxAtItsTemperature) {
  const std::vector<float> scores = {0.0f, 1.0f, 2.0f, kNever};
  constexpr int kDraws = 40000;
  for (float temperature : {0.5f, 1.0f, 2.0f}) {
    std::map<int32_t, int> counts = Draw(Drawing(temperature), scores, kDraws);
    double sum = 0.0;
    for (float score : scores) sum += std::exp(score / temperature);
    for (int32_t token = 0; token < 4; ++token) {
      EXPECT_NEAR(counts[token] / double{kDraws}, std::exp(scores[token] / temperature) / sum, 0.01) << token;
    }
  }
}

TEST(DrawTokenTest, TopKAndTopPCutTheTail) {
  const std::vector<float> scores = {std::log(0.1f), std::log(0.5f), std::log(0.15f), std::log(0.25f)};
  EXPECT_EQ(Draw(Drawing(1.0f, 1), scores, 1000).size(), 1u);
  const std::map<int32_t, int> two = Draw(Drawing(1.0f, 2), scores, 2000);
  EXPECT_EQ(two.size(), 2u);
  EXPECT_TRUE(two.count(1) == 1 && two.count(3) == 1);
  // 0.5 + 0.25 reach 0.7; 0.5 alone reaches 0.49.
  EXPECT_EQ(Draw(Drawing(1.0f, 0, 0.7f), scores, 2000).size(), 2u);
  EXPECT_EQ(Draw(Drawing(1.0f, 0, 0.49f), scores, 2000).size(), 1u);
  // Of what top_k leaves: 0.5 of 0.75 is less than 0.7 of it, 0.5 of 0.75 is more than 0.6.
  EXPECT_EQ(Draw(Drawing(1.0f, 2, 0.7f), scores, 2000).size(), 2u);
  EXPECT_EQ(Draw(Drawing(1.0f, 2, 0.6f), scores, 2000).size(), 1u);
}

TEST(DrawTokenTest, TiesGoToTheSmallerIdsAndNothingLeftIsTheFirst) {
  const std::map<int32_t, int> ties = Draw(Drawing(1.0f, 3), std::vector<float>(10, 1.0f), 1000);
  EXPECT_EQ(ties.size(), 3u);
  EXPECT_TRUE(ties.count(0) == 1 && ties.count(1) == 1 && ties.count(2) == 1);
  EXPECT_EQ(Draw(Drawing(1.0f, 0, 0.25f), std::vector<float>(8, -2.0f), 1000).size(), 2u);
  for (const float top_p : {1.0f, 0.5f}) {
    EXPECT_EQ(Draw(Drawing(1.0f, 2, top_p), std::vector<float>(5, kNever), 10).size(), 1u);
  }
  EXPECT_EQ(Draw(Drawing(1e-45f), {1.0f, 3.0f, 2.0f}, 10), (std::map<int32_t, int>{{1, 10}}));
}

TEST(ChooseTokensTest, EachRuleIsOfItsRowAndLogProbsAreOfTheWholeRow) {
  std::vector<float> logits = {9, 9, 9, 9, 1, 3, 2, 9, 5, 4, 3, 9};  // Rows of 3, 4 apart.
  const std::unique_ptr<Backend> backend = NewReferenceBackend();
  const std::vector<TokenRule> rules = {{.row = 1, .log_prob = true}, {.row = 2}};
  const std::vector<ForbiddenToken> forbidden = {{1, 1}, {2, 0}, {2, 0}};
  std::vector<ChosenToken> chosen(2);
  ChooseTokens(*backend, {logits.data(), 3, 4}, 3, rules, forbidden, chosen);
  EXPECT_EQ(chosen[0].id, 2);
  EXPECT_NEAR(chosen[0].log_prob, 2 - std::log(std::exp(1) + std::exp(2) + std::exp(3)), 1e-6);
  EXPECT_EQ(chosen[1].id, 1);
  EXPECT_EQ(chosen[1].log_prob, 0.0f);
}

TEST(ChooseTokensTest, TheLikeliestComeInOrderAndTiesGoToTheSmallerIds) {
  std::vector<float> logits = {1, 5, 2, 5, 4, 2, 7, 7, 7, 7, 7, 7};
  const std::unique_ptr<Backend> backend = NewReferenceBackend();
  const std::vector<TokenRule> rules = {{.row = 0, .count = 4, .log_prob = true}, {.row = 1, .count = 6}};
  std::vector<ChosenToken> chosen(10);
  ChooseTokens(*backend, {logits.data(), 2, 6}, 6, rules, std::vector<ForbiddenToken>{{0, 4}}, chosen);
  const std::vector<int32_t> expected = {1, 3, 2, 5, 0, 1, 2, 3, 4, 5};
  for (size_t i = 0; i < chosen.size(); ++i) EXPECT_EQ(chosen[i].id, expected[i]) << i;
  const double log_sum = LogSumExp(std::vector<float>{1, 5, 2, 5, 4, 2});
  EXPECT_NEAR(chosen[0].log_prob, 5 - log_sum, 1e-6);
  EXPECT_NEAR(chosen[3].log_prob, 2 - log_sum, 1e-6);
}

TEST(MixRowsTest, ARowBecomesTheSumOfItAndThoseAfterIt) {
  std::vector<float> logits = {1, 2, 9, 10, 20, 9, 3, 4, 9};  // Rows of 2, 3 apart.
  const std::unique_ptr<Backend> backend = NewReferenceBackend();
  const std::vector<float> coefficients = {0.5f, 2.0f};
  MixRows(*backend, {logits.data(), 3, 3}, 2, std::vector<RowMix>{{0, coefficients}});
  EXPECT_EQ(logits, std::vector<float>({20.5f, 41.0f, 9, 10, 20, 9, 3, 4, 9}));
}

}  // namespace
}  // namespace trimtab
