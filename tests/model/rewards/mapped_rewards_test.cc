#include "model/rewards/mapped_rewards.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The paper's ranges.
ClpConfig Clp() {
  return *ParseClpConfig(R"({"format_version": 1, "variant": "attn",
      "rewards": [{"name": "nli", "range": [-7, 0]},
                  {"name": "mixed", "composite": {"nli": 0.9, "rouge_lsum": 0.1}},
                  {"name": "quality", "score": "tldr", "range": [-1.6, 2]}],
      "score_ranges": {"rouge_lsum": [19, 29]}})");
}

TEST(MappedRewardsTest, RangesMapLinearlyAndNothingIsClipped) {
  ASSERT_OK_AND_ASSIGN(const auto inside, MapRewards(Clp(), {{"nli", -3.5}, {"rouge_lsum", 24}, {"tldr", 0.2}}));
  EXPECT_THAT(inside, ElementsAre(DoubleEq(0.5), DoubleEq(0.5), DoubleEq(0.5)));
  ASSERT_OK_AND_ASSIGN(const auto outside, MapRewards(Clp(), {{"nli", -14}, {"rouge_lsum", 39}, {"tldr", 5.6}}));
  EXPECT_THAT(outside, ElementsAre(DoubleEq(-1.0), DoubleEq(0.9 * -1.0 + 0.1 * 2.0), DoubleEq(2.0)));
}

TEST(MappedRewardsTest, AMissingScoreIsNamedWithItsReward) {
  EXPECT_THAT(MapRewards(Clp(), {{"nli", -1}, {"rouge_lsum", 20}}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("reward quality needs the score tldr")));
}

TEST(MappedRewardsTest, WhatCanBeComputedIsSaidByTheNamesOfScores) {
  EXPECT_THAT(ComputableRewards(Clp(), {"nli"}), ElementsAre(0));
  EXPECT_THAT(ComputableRewards(Clp(), {"nli", "rouge_lsum"}), ElementsAre(0, 1));
  EXPECT_THAT(ComputableRewards(Clp(), {"tldr"}), ElementsAre(2));
  EXPECT_NEAR(MapReward(Clp(), 2, {{"tldr", 2.0}}), 1.0, 1e-12);
}

}  // namespace
}  // namespace trimtab
