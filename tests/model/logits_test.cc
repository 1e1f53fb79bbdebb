#include "model/logits.h"

#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "gtest/gtest.h"

namespace trimtab {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

TEST(LogitsTest, ArgMaxTakesTheFirstOfEquals) {
  EXPECT_EQ(ArgMax(std::vector<float>{1, 3, 2, 3}), 1);
  EXPECT_EQ(ArgMax(std::vector<float>{kNever, kNever, -5}), 2);
}

TEST(LogitsTest, LogSumExpSurvivesLargeAndForbiddenScores) {
  EXPECT_NEAR(LogSumExp(std::vector<float>{0, 0, 0, 0}), std::log(4.0), 1e-12);
  EXPECT_NEAR(LogSumExp(std::vector<float>{1000, 1000}), 1000 + std::log(2.0), 1e-9);
  EXPECT_NEAR(LogSumExp(std::vector<float>{2.5f, kNever}), 2.5, 1e-12);
}

TEST(LogitsTest, EosIsForbiddenBeforeTheMinimumLength) {
  GenerationOptions options;
  options.min_new_tokens = 2;
  std::vector<float> scores(4, 1.0f);
  MaskForbidden(options, 1, 0, std::vector<int32_t>{3}, scores);
  EXPECT_EQ(scores, (std::vector<float>{1, kNever, 1, 1}));
  scores.assign(4, 1.0f);
  MaskForbidden(options, 1, 0, std::vector<int32_t>{3, 3}, scores);
  EXPECT_EQ(scores, (std::vector<float>{1, 1, 1, 1}));
}

TEST(LogitsTest, NoNGramAppearsTwice) {
  GenerationOptions options;
  options.no_repeat_ngram_size = 2;
  std::vector<float> scores(6, 1.0f);
  // Start token 0, then 4 5 4: after 4 came 5, so 5 may not follow again.
  MaskForbidden(options, 1, 0, std::vector<int32_t>{4, 5, 4}, scores);
  EXPECT_EQ(scores, (std::vector<float>{1, 1, 1, 1, 1, kNever}));
  // The start token counts: "0 4" has been, so after another 0, 4 may not follow.
  scores.assign(6, 1.0f);
  MaskForbidden(options, 1, 0, std::vector<int32_t>{4, 2, 0}, scores);
  EXPECT_EQ(scores[4], kNever);
  // Unigrams: nothing written may come again.
  options.no_repeat_ngram_size = 1;
  scores.assign(6, 1.0f);
  MaskForbidden(options, 1, 0, std::vector<int32_t>{2, 3}, scores);
  EXPECT_EQ(scores, (std::vector<float>{kNever, 1, kNever, kNever, 1, 1}));
}

GenerationOptions Sampling(float temperature, int32_t top_k, float top_p) {
  GenerationOptions options;
  options.temperature = temperature;
  options.top_k = top_k;
  options.top_p = top_p;
  return options;
}

// How often each token is drawn over `draws` steps.
std::map<int32_t, int> Draw(const GenerationOptions& options, const std::vector<float>& scores, int draws) {
  std::map<int32_t, int> counts;
  for (int step = 0; step < draws; ++step) ++counts[Sample(options, step, scores)];
  return counts;
}

TEST(SampleTest, FollowsTheSoftmaxAtItsTemperature) {
  const std::vector<float> scores = {0.0f, 1.0f, 2.0f, kNever};
  constexpr int kDraws = 40000;
  for (float temperature : {0.5f, 1.0f, 2.0f}) {
    std::map<int32_t, int> counts = Draw(Sampling(temperature, 0, 1.0f), scores, kDraws);
    double sum = 0.0;
    for (float score : scores) sum += std::exp(score / temperature);
    for (int32_t token = 0; token < 4; ++token) {
      EXPECT_NEAR(counts[token] / double{kDraws}, std::exp(scores[token] / temperature) / sum, 0.01) << token;
    }
  }
}

TEST(SampleTest, TopKAndTopPCutTheTail) {
  const std::vector<float> scores = {std::log(0.1f), std::log(0.5f), std::log(0.15f), std::log(0.25f)};
  EXPECT_EQ(Draw(Sampling(1.0f, 1, 1.0f), scores, 1000).size(), 1u);
  const std::map<int32_t, int> two = Draw(Sampling(1.0f, 2, 1.0f), scores, 2000);
  EXPECT_EQ(two.size(), 2u);
  EXPECT_TRUE(two.count(1) == 1 && two.count(3) == 1);
  // 0.5 + 0.25 reach 0.7; 0.5 alone reaches 0.5.
  EXPECT_EQ(Draw(Sampling(1.0f, 0, 0.7f), scores, 2000).size(), 2u);
  EXPECT_EQ(Draw(Sampling(1.0f, 0, 0.49f), scores, 2000).size(), 1u);
}

TEST(SampleTest, DependsOnSeedAndStepAlone) {
  const std::vector<float> scores(100, 0.0f);
  GenerationOptions a = Sampling(1.0f, 0, 1.0f), b = a;
  b.seed = 1;
  int same_seed = 0, other_seed = 0, other_step = 0;
  for (uint64_t step = 0; step < 200; ++step) {
    same_seed += Sample(a, step, scores) == Sample(a, step, scores);
    other_seed += Sample(a, step, scores) == Sample(b, step, scores);
    other_step += Sample(a, step, scores) == Sample(a, step + 1, scores);
  }
  EXPECT_EQ(same_seed, 200);
  EXPECT_LT(other_seed, 20);
  EXPECT_LT(other_step, 20);
}

}  // namespace
}  // namespace trimtab
