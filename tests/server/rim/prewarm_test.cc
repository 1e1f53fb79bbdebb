#include "server/rim/prewarm.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(ParseWeightingTest, ReadsPresetsAlphaAndWeights) {
  ASSERT_OK_AND_ASSIGN(const SteeringAsked preset, ParseWeighting(" concise "));
  EXPECT_EQ(preset.preset, "concise");
  EXPECT_FALSE(preset.alpha.has_value());
  ASSERT_OK_AND_ASSIGN(const SteeringAsked both, ParseWeighting("alpha=0.3  w=0.5,0.25,0.25"));
  EXPECT_EQ(both.alpha, 0.3);
  EXPECT_THAT(both.weights, ElementsAre(0.5, 0.25, 0.25));
  EXPECT_EQ(both.preset, "");
  ASSERT_OK_AND_ASSIGN(const SteeringAsked weights, ParseWeighting("w=1"));
  EXPECT_THAT(weights.weights, ElementsAre(1.0));
  ASSERT_OK_AND_ASSIGN(const SteeringAsked alpha, ParseWeighting("alpha=1"));
  EXPECT_THAT(alpha.weights, IsEmpty());
}

TEST(ParseWeightingTest, RefusesOtherTextSayingWhatIsExpected) {
  for (const char* text : {"", " ", "two words", "concise w=1,0", "w=", "w=1,,0", "w=a", "alpha=", "alpha=0.1,0.2",
                           "beta=1", "w=1,0 w=0,1", "alpha=1 alpha=1", "=1"}) {
    EXPECT_THAT(ParseWeighting(text), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("expected"))) << text;
  }
}

TEST(ResolvePrewarmTest, GivesTheCoefficientsThatRequestsWillNeed) {
  ClpConfig clp;
  clp.rewards.resize(2);
  clp.mixing = {MixingKind::kLinear, 0.25};
  clp.default_alpha = 0.25;
  clp.presets["concise"] = {.alpha = 1.0, .w = {0.5, 0.5}, .description = ""};
  ServerOptions options;
  options.prewarm = {"concise", "w=1,0"};
  ASSERT_OK_AND_ASSIGN(const auto keys, ResolvePrewarm(options, clp));
  ASSERT_EQ(keys.size(), 2u);
  EXPECT_THAT(keys[0].values(), ElementsAre(0.0f, 0.0f, 1.0f));
  EXPECT_THAT(keys[1].values(), ElementsAre(0.75f, 0.0f, 0.25f));
  options.alpha_floor = 0.5;
  EXPECT_THAT(ResolvePrewarm(options, clp),
              StatusIs(absl::StatusCode::kFailedPrecondition, testing::AllOf(HasSubstr("w=1,0"), HasSubstr("floor"))));
}

}  // namespace
}  // namespace trimtab
