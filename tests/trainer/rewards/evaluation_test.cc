#include "trainer/rewards/evaluation.h"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/checkpoint.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"
#include "trainer/rewards/policy_samples.h"

namespace trimtab {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

ClpConfig TwoRewards() {
  ClpConfig clp;
  clp.rewards.resize(2);
  clp.rewards[0].name = "nli";
  clp.rewards[0].range_low = -4.0;
  clp.rewards[0].range_high = 0.0;
  clp.rewards[1].name = "rouge";
  clp.rewards[1].score = "rouge_lsum";
  clp.rewards[1].range_high = 50.0;
  return clp;
}

TEST(EvaluationTest, RewardsAreMappedPerTextAndThoseWithoutAScoreAreLeftOut) {
  const std::vector<Scores> scores = {{{"rouge_lsum", 25.0}, {"words", 3.0}}, {{"rouge_lsum", 75.0}, {"words", 4.0}}};
  EXPECT_THAT(RewardsByName(TwoRewards(), scores), ElementsAre(Pair("rouge", ElementsAre(0.5, 1.5))));
}

TEST(EvaluationTest, TheValueIsTheRewardLessTheDivergence) {
  ASSERT_OK_AND_ASSIGN(const Weighting weighting, Weighting::Create({MixingKind::kFixed, 0.1}, 2, 0.1, {0.25, 0.75}));
  const std::vector<Scores> scores = {{{"nli", -2.0}, {"rouge_lsum", 50.0}}, {{"nli", 0.0}, {"rouge_lsum", 0.0}}};
  ASSERT_OK_AND_ASSIGN(const auto values,
                       RegularisedValues(TwoRewards(), weighting, scores, std::vector<double>{3.0, -1.0}));
  EXPECT_THAT(values, ElementsAre(DoubleNear(0.9 * 0.875 - 0.3, 1e-12), DoubleNear(0.9 * 0.25 + 0.1, 1e-12)));
  EXPECT_THAT(RegularisedValues(TwoRewards(), weighting, std::vector<Scores>{{{"nli", 0.0}}}, std::vector<double>{0.0}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("rouge")));
}

TEST(EvaluationTest, TheErrorIsThatOfTheMean) {
  const Estimate estimate = MeanOf(std::vector<double>{1.0, 2.0, 3.0, 4.0});
  EXPECT_EQ(estimate.mean, 2.5);
  EXPECT_NEAR(estimate.error, std::sqrt(5.0 / 3.0 / 4.0), 1e-12);
  EXPECT_EQ(MeanOf(std::vector<double>{7.0}).error, 0.0);
}

class PolicySamplesTest : public testing::Test {
 protected:
  void SetUp() override {
    TinyOptions tiny;
    tiny.variant = "full";
    ASSERT_OK(MakeTinyClp(files_.File("policy"), tiny));
    ASSERT_OK(MakeTinyT5(files_.File("reference"), tiny));
    options_.model = files_.File("policy");
    options_.reference = files_.File("reference");
    options_.rollouts = {.threads = 1, .batch = 4, .max_input_tokens = 32, .max_new_tokens = 6};
  }

  Weighting At(double alpha, std::vector<double> w) const {
    return Weighting::Create(OpenCheckpoint(options_.model)->clp.mixing, 2, alpha, std::move(w)).value();
  }

  TempDir files_;
  PolicySamplesOptions options_;
  const std::vector<Example> examples_ = {{"a", "text of sails", "sails", "a"}, {"b", "another text", "text", "b"}};
};

TEST_F(PolicySamplesTest, AtAlphaOneAFullPolicyIsItsReference) {
  ASSERT_OK_AND_ASSIGN(PolicySamples policy, PolicySamples::Open(options_));
  ASSERT_OK_AND_ASSIGN(const Samples reference, policy.Draw(examples_, At(1.0, {0.5, 0.5})));
  EXPECT_THAT(reference.log_ratios, ElementsAre(DoubleNear(0.0, 1e-4), DoubleNear(0.0, 1e-4)));
  ASSERT_OK_AND_ASSIGN(const Samples trained, policy.Draw(examples_, At(0.1, {1.0, 0.0})));
  EXPECT_GT(std::abs(trained.log_ratios[0]), 1e-2);
  ASSERT_OK_AND_ASSIGN(const Samples again, policy.Draw(examples_, At(0.1, {1.0, 0.0})));
  EXPECT_EQ(again.summaries, trained.summaries);
  EXPECT_EQ(again.log_ratios, trained.log_ratios);
}

TEST_F(PolicySamplesTest, ExamplesDoNotShareTheirChance) {
  ASSERT_OK_AND_ASSIGN(PolicySamples policy, PolicySamples::Open(options_));
  const std::vector<Example> twins = {examples_[0], examples_[0], examples_[0], examples_[0]};
  ASSERT_OK_AND_ASSIGN(const Samples samples, policy.Draw(twins, At(0.1, {0.5, 0.5})));
  EXPECT_FALSE(samples.summaries[0] == samples.summaries[1] && samples.summaries[1] == samples.summaries[2] &&
               samples.summaries[2] == samples.summaries[3]);
}

TEST_F(PolicySamplesTest, ASteerableReferenceIsRefused) {
  options_.reference = options_.model;
  EXPECT_THAT(PolicySamples::Open(options_), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("steerable")));
}

}  // namespace
}  // namespace trimtab
