#include "trainer/rewards/calibration.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/clp_config.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

using ::testing::HasSubstr;

constexpr char kClp[] = R"({"format_version": 1, "variant": "attn", "training": {"by": "hand"},
    "rewards": [{"name": "nli"}, {"name": "quality", "score": "tldr"},
                {"name": "mixed", "range": [0.1, 0.9], "composite": {"nli": 0.9, "rouge_lsum": 0.1}}]})";

std::string Clp() {
  std::string clp = kClp;
  return clp.replace(clp.find("\"training\""), 0, R"("score_ranges": {"rouge_lsum": [0, 1]}, )");
}

TEST(CalibrationTest, RangesAreInterpolatedQuantiles) {
  std::vector<Scores> samples;
  for (const double value : {4.0, 0.0, 3.0, 1.0, 2.0}) samples.push_back({{"a", value}, {"b", -10 * value}});
  ASSERT_OK_AND_ASSIGN(const Ranges ranges, QuantileRanges(samples, 0.0, 1.0));
  EXPECT_EQ(ranges.at("a"), std::pair(0.0, 4.0));
  EXPECT_EQ(ranges.at("b"), std::pair(-40.0, 0.0));
  ASSERT_OK_AND_ASSIGN(const Ranges inner, QuantileRanges(samples, 0.125, 0.75));
  EXPECT_EQ(inner.at("a"), std::pair(0.5, 3.0));
}

TEST(CalibrationTest, AScoreThatNeverChangesHasNoRange) {
  const std::vector<Scores> samples = {{{"a", 1.0}, {"b", 2.0}}, {{"a", 1.0}, {"b", 3.0}}};
  EXPECT_THAT(QuantileRanges(samples, 0.0, 1.0),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("the score a is 1")));
}

TEST(CalibrationTest, WritesRangesOfPlainRewardsAndOfPartsAndLeavesAllElse) {
  const Ranges ranges = {{"nli", {-7, 0}}, {"tldr", {-1.6, 2}}, {"rouge_lsum", {19, 29}}};
  ASSERT_OK_AND_ASSIGN(const std::string text, WithRanges(Clp(), ranges));
  ASSERT_OK_AND_ASSIGN(const ClpConfig clp, ParseClpConfig(text));
  EXPECT_EQ(clp.rewards[0].range_low, -7.0);
  EXPECT_EQ(clp.rewards[1].range_high, 2.0);
  EXPECT_EQ(clp.rewards[2].range_low, 0.1);
  EXPECT_EQ(clp.score_ranges.at("rouge_lsum"), std::pair(19.0, 29.0));
  EXPECT_THAT(text, HasSubstr("hand"));
}

TEST(CalibrationTest, ARewardWithoutAScoreIsNamed) {
  EXPECT_THAT(WithRanges(Clp(), {{"nli", {-7, 0}}, {"rouge_lsum", {19, 29}}}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("reward quality needs the score tldr")));
}

}  // namespace
}  // namespace trimtab
