#include "model/steering.h"

#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/field_error.h"
#include "tests/testing/two_rewards.h"

namespace trimtab {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::StatusOr<Steering> Resolve(const SteeringAsked& asked, const ClpConfig& clp = TwoRewards()) {
  return ResolveSteering(clp, CoefficientGrid(), asked);
}

// Expects InvalidArgument on `field`; returns the message.
std::string ExpectFieldError(const absl::StatusOr<Steering>& steering, const std::string& field) {
  EXPECT_TRUE(absl::IsInvalidArgument(steering.status())) << steering.status();
  EXPECT_EQ(FieldOf(steering.status()), field) << steering.status();
  return std::string(steering.status().message());
}

TEST(SteeringTest, IsUniformAtTheDefaultAlphaWhenNothingIsAsked) {
  const auto steering = Resolve({});
  ASSERT_TRUE(steering.ok()) << steering.status();
  EXPECT_EQ(steering->weighting.alpha(), 0.1);
  EXPECT_THAT(steering->weighting.w(), ElementsAre(0.5, 0.5));
}

TEST(SteeringTest, TakesWeightsByPosition) {
  const auto steering = Resolve({.alpha = 0.5, .weights = {0.25, 0.75}, .named_weights = {}, .preset = ""});
  ASSERT_TRUE(steering.ok()) << steering.status();
  EXPECT_EQ(steering->weighting.alpha(), 0.5);
  EXPECT_THAT(steering->weighting.w(), ElementsAre(0.25, 0.75));
}

TEST(SteeringTest, TakesWeightsByNameAndGivesTheRestZero) {
  const auto steering = Resolve({.alpha = {}, .weights = {}, .named_weights = {{"rouge", 1.0}}, .preset = ""});
  ASSERT_TRUE(steering.ok()) << steering.status();
  EXPECT_THAT(steering->weighting.w(), ElementsAre(0.0, 1.0));
}

TEST(SteeringTest, NormalisesNamedWeightsThatAlmostSumToOne) {
  const auto steering =
      Resolve({.alpha = {}, .weights = {}, .named_weights = {{"nli", 0.3333}, {"rouge", 0.6666}}, .preset = ""});
  ASSERT_TRUE(steering.ok()) << steering.status();
  EXPECT_THAT(steering->weighting.w()[0] + steering->weighting.w()[1], DoubleNear(1.0, 1e-12));
}

TEST(SteeringTest, TakesAPreset) {
  const auto steering = Resolve({.alpha = {}, .weights = {}, .named_weights = {}, .preset = "concise"});
  ASSERT_TRUE(steering.ok()) << steering.status();
  EXPECT_EQ(steering->weighting.alpha(), 0.05);
  EXPECT_THAT(steering->weighting.w(), ElementsAre(0.2, 0.8));
}

TEST(SteeringTest, CoefficientsAreThoseOfTheWeighting) {
  const auto steering = Resolve({.alpha = 1.0, .weights = {0.25, 0.75}, .named_weights = {}, .preset = ""});
  ASSERT_TRUE(steering.ok()) << steering.status();
  EXPECT_THAT(steering->coefficients.values(), ElementsAre(0.0f, 0.0f, 1.0f));  // All reference.
  const auto vertex = Resolve({.alpha = 0.01, .weights = {1.0, 0.0}, .named_weights = {}, .preset = ""});
  ASSERT_TRUE(vertex.ok()) << vertex.status();
  EXPECT_THAT(vertex->coefficients.values(), ElementsAre(1.0f, 0.0f, 0.0f));
}

TEST(SteeringTest, APresetExcludesEverythingElse) {
  ExpectFieldError(Resolve({.alpha = 0.5, .weights = {}, .named_weights = {}, .preset = "concise"}), "preset");
  ExpectFieldError(Resolve({.alpha = {}, .weights = {0.5, 0.5}, .named_weights = {}, .preset = "concise"}), "preset");
  ExpectFieldError(Resolve({.alpha = {}, .weights = {}, .named_weights = {{"nli", 1.0}}, .preset = "concise"}),
                   "preset");
}

TEST(SteeringTest, WeightsAndNamedWeightsExcludeEachOther) {
  ExpectFieldError(Resolve({.alpha = {}, .weights = {0.5, 0.5}, .named_weights = {{"nli", 1.0}}, .preset = ""}),
                   "named_weights");
}

TEST(SteeringTest, AnUnknownPresetIsRefusedNamingTheKnownOnes) {
  const std::string message =
      ExpectFieldError(Resolve({.alpha = {}, .weights = {}, .named_weights = {}, .preset = "terse"}), "preset");
  EXPECT_THAT(message, HasSubstr("'terse'"));
  EXPECT_THAT(message, HasSubstr("concise"));
}

TEST(SteeringTest, AnUnknownRewardIsRefusedNamingTheKnownOnes) {
  const std::string message = ExpectFieldError(
      Resolve({.alpha = {}, .weights = {}, .named_weights = {{"tldr", 1.0}}, .preset = ""}), "named_weights[tldr]");
  EXPECT_THAT(message, HasSubstr("nli, rouge"));
}

TEST(SteeringTest, ForeignNamesAreShownShortenedAndEscaped) {
  const auto steering =
      Resolve({.alpha = {}, .weights = {}, .named_weights = {{"\n" + std::string(5000, 'x'), 1.0}}, .preset = ""});
  EXPECT_THAT(std::string(steering.status().message()), HasSubstr("named_weights[\\nx"));
  EXPECT_LT(steering.status().message().size(), 300u);
}

TEST(SteeringTest, ABadValueIsNamedTheWayItWasWritten) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  ExpectFieldError(Resolve({.alpha = {}, .weights = {0.5, nan}, .named_weights = {}, .preset = ""}), "weights[1]");
  ExpectFieldError(Resolve({.alpha = {}, .weights = {0.5, -0.5}, .named_weights = {}, .preset = ""}), "weights[1]");
  ExpectFieldError(Resolve({.alpha = {}, .weights = {1.0}, .named_weights = {}, .preset = ""}), "weights");
  ExpectFieldError(Resolve({.alpha = {}, .weights = {0.5, 0.6}, .named_weights = {}, .preset = ""}), "weights");
  ExpectFieldError(Resolve({.alpha = {}, .weights = {}, .named_weights = {{"rouge", nan}}, .preset = ""}),
                   "named_weights[rouge]");
  ExpectFieldError(
      Resolve({.alpha = {}, .weights = {}, .named_weights = {{"nli", 0.5}, {"rouge", -0.5}}, .preset = ""}),
      "named_weights[rouge]");
  ExpectFieldError(Resolve({.alpha = {}, .weights = {}, .named_weights = {{"rouge", 0.4}}, .preset = ""}),
                   "named_weights");
  ExpectFieldError(Resolve({.alpha = {}, .weights = {}, .named_weights = {{"rouge", 1.4}}, .preset = ""}),
                   "named_weights");
  ExpectFieldError(Resolve({.alpha = 2.0, .weights = {}, .named_weights = {{"rouge", 1.0}}, .preset = ""}), "alpha");
  ExpectFieldError(Resolve({.alpha = nan, .weights = {}, .named_weights = {}, .preset = ""}), "alpha");
  ExpectFieldError(Resolve({.alpha = 0.001, .weights = {}, .named_weights = {}, .preset = ""}), "alpha");
  ExpectFieldError(Resolve({.alpha = 1.5, .weights = {}, .named_weights = {}, .preset = ""}), "alpha");
}

TEST(SteeringTest, ACheckpointWithoutRewardsTakesNothingButAlphaOne) {
  ClpConfig plain;
  plain.default_alpha = 1.0;
  const auto steering = Resolve({}, plain);
  ASSERT_TRUE(steering.ok()) << steering.status();
  EXPECT_THAT(steering->weighting.w(), IsEmpty());
  EXPECT_THAT(steering->coefficients.values(), ElementsAre(1.0f));
  ExpectFieldError(Resolve({.alpha = {}, .weights = {1.0}, .named_weights = {}, .preset = ""}, plain), "weights");
  ExpectFieldError(Resolve({.alpha = {}, .weights = {}, .named_weights = {{"nli", 1.0}}, .preset = ""}, plain),
                   "named_weights[nli]");
}

}  // namespace
}  // namespace trimtab
