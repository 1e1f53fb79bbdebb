#include "trainer/run_rewards.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "model/rewards/length_scorer.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

const std::vector<std::string> kScores = {"rouge_lsum", "words", "brevity"};

ClpConfig Clp() {
  ClpConfig clp;
  clp.rewards.resize(2);
  clp.rewards[0].name = "brief";
  clp.rewards[1].name = "rouge_lsum";
  clp.rewards[1].range_low = 20.0;
  clp.rewards[1].range_high = 30.0;
  return clp;
}

TEST(RunRewardsTest, ARuleGivesScoreAndRangeAndOthersStayAsTheCheckpointHasThem) {
  const std::vector<RewardRule> rules = {{"brief", "brevity", std::pair(-10.0, 0.0)}};
  ASSERT_OK_AND_ASSIGN(const ClpConfig clp, WithRules(Clp(), rules, kScores));
  ASSERT_OK_AND_ASSIGN(const std::vector<double> mapped,
                       MapRewards(clp, {{"brevity", -4.0}, {"words", 4.0}, {"rouge_lsum", 100.0}}));
  EXPECT_NEAR(mapped[0], 0.6, 1e-12);
  EXPECT_NEAR(mapped[1], 8.0, 1e-12) << "never clipped";
}

TEST(RunRewardsTest, ARewardWithoutAScoreAndARuleWithoutARewardAreRefused) {
  EXPECT_THAT(WithRules(Clp(), {}, kScores).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, testing::HasSubstr("brief")));
  const std::vector<RewardRule> rules = {{"brief", "brevity", {}}, {"beauty", "", {}}};
  EXPECT_THAT(WithRules(Clp(), rules, kScores).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, testing::HasSubstr("beauty")));
}

TEST(LengthScorerTest, CountsWordsBetweenBlanks) {
  const LengthScorer scorer;
  const std::vector<ScoredText> texts = {{"", "one two  three\n four", ""}, {"", "", ""}};
  ASSERT_OK_AND_ASSIGN(const auto scores, scorer.ScoreAll(texts));
  EXPECT_EQ(scores, (std::vector<std::vector<double>>{{4.0, -4.0}, {0.0, 0.0}}));
}

}  // namespace
}  // namespace trimtab
