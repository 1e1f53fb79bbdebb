#include "trainer/run_rewards.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

ClpConfig Clp() {
  ClpConfig clp;
  clp.rewards.resize(2);
  clp.rewards[0].name = "brief";
  clp.rewards[1].name = "rouge_lsum";
  clp.rewards[1].range_low = 20.0;
  clp.rewards[1].range_high = 30.0;
  return clp;
}

TEST(RunRewardsTest, ScoresAreMappedByTheRuleOrTheCheckpointAndNeverClipped) {
  const std::vector<RewardRule> rules = {{"brief", "brevity", std::pair(-10.0, 0.0)}};
  ASSERT_OK_AND_ASSIGN(const RunRewards rewards, RunRewards::Create(Clp(), rules, BuiltInScorers()));
  const std::vector<ScoredText> texts = {{"", "one two  three\n four", "one two three four"}, {"", "", "one"}};
  ASSERT_OK_AND_ASSIGN(const auto scores, rewards.Score(texts));
  EXPECT_NEAR(scores[0][0], 0.6, 1e-12);
  EXPECT_NEAR(scores[0][1], 8.0, 1e-12);
  EXPECT_NEAR(scores[1][0], 1.0, 1e-12);
  EXPECT_NEAR(scores[1][1], -2.0, 1e-12);
}

TEST(RunRewardsTest, ARewardWithoutAScoreAndARuleWithoutARewardAreRefused) {
  EXPECT_THAT(RunRewards::Create(Clp(), {}, BuiltInScorers()).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, testing::HasSubstr("brief")));
  const std::vector<RewardRule> rules = {{"brief", "brevity", {}}, {"beauty", "", {}}};
  EXPECT_THAT(RunRewards::Create(Clp(), rules, BuiltInScorers()).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, testing::HasSubstr("beauty")));
}

}  // namespace
}  // namespace trimtab
