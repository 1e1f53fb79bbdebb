#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/field_error.h"
#include "server/steering.h"
#include "tests/testing/two_rewards.h"

namespace trimtab {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<Steering> Resolve(const SteeringAsked& asked, const SteeringBounds& bounds) {
  return ResolveSteering(TwoRewards(), bounds, CoefficientGrid(), asked);
}

// Expects InvalidArgument on `field`; returns the message.
std::string ExpectFieldError(const absl::StatusOr<Steering>& steering, const std::string& field) {
  EXPECT_TRUE(absl::IsInvalidArgument(steering.status())) << steering.status();
  EXPECT_EQ(FieldOf(steering.status()), field) << steering.status();
  return std::string(steering.status().message());
}

TEST(SteeringBoundsTest, AnAlphaBelowTheFloorIsRefusedNamingTheFloor) {
  const SteeringBounds bounds{.alpha_floor = 0.3, .rewards = {}};
  const std::string message =
      ExpectFieldError(Resolve({.alpha = 0.2, .weights = {}, .named_weights = {}, .preset = ""}, bounds), "alpha");
  EXPECT_THAT(message, HasSubstr("0.3"));
  EXPECT_TRUE(Resolve({.alpha = 0.3, .weights = {}, .named_weights = {}, .preset = ""}, bounds).ok());
  ExpectFieldError(Resolve({.alpha = {}, .weights = {}, .named_weights = {}, .preset = "concise"}, bounds), "preset");
}

TEST(SteeringBoundsTest, AWeightOutsideItsRangeIsRefusedNamingTheRange) {
  const SteeringBounds bounds{.alpha_floor = 0.0, .rewards = {{"rouge", {0.25, 0.75}}}};
  const std::string message = ExpectFieldError(
      Resolve({.alpha = {}, .weights = {0.1, 0.9}, .named_weights = {}, .preset = ""}, bounds), "weights[1]");
  EXPECT_THAT(message, HasSubstr("[0.25, 0.75]"));
  EXPECT_THAT(message, HasSubstr("'rouge'"));
  ExpectFieldError(Resolve({.alpha = {}, .weights = {}, .named_weights = {{"nli", 1.0}}, .preset = ""}, bounds),
                   "named_weights[rouge]");
  ExpectFieldError(Resolve({.alpha = {}, .weights = {}, .named_weights = {}, .preset = "concise"}, bounds), "preset");
  EXPECT_TRUE(Resolve({.alpha = {}, .weights = {0.25, 0.75}, .named_weights = {}, .preset = ""}, bounds).ok());
  EXPECT_TRUE(Resolve({}, bounds).ok());
}

TEST(SteeringBoundsTest, AWeightOnItsBoundSurvivesNormalisation) {
  const SteeringBounds bounds{.alpha_floor = 0.0, .rewards = {{"nli", {0.1, 1.0}}}};
  EXPECT_TRUE(Resolve({.alpha = {}, .weights = {0.1, 0.9000000001}, .named_weights = {}, .preset = ""}, bounds).ok());
}

TEST(SteeringBoundsTest, AcceptsNoBoundsAndSensibleOnes) {
  EXPECT_TRUE(CheckBounds({}, TwoRewards()).ok());
  EXPECT_TRUE(CheckBounds({.alpha_floor = 0.1, .rewards = {{"nli", {0.2, 0.9}}}}, TwoRewards()).ok());
}

TEST(SteeringBoundsTest, RefusesARewardTheCheckpointLacks) {
  const absl::Status status = CheckBounds({.alpha_floor = 0.0, .rewards = {{"tldr", {0.0, 1.0}}}}, TwoRewards());
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("'tldr'"));
}

TEST(SteeringBoundsTest, RefusesAnEmptyOrImpossibleRange) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const SteeringBounds::Range range :
       {SteeringBounds::Range{0.6, 0.4}, {-0.1, 1.0}, {0.0, 1.1}, {nan, 1.0}, {0.0, nan}}) {
    const absl::Status status = CheckBounds({.alpha_floor = 0.0, .rewards = {{"nli", range}}}, TwoRewards());
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << range.low << " " << range.high << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("'nli'"));
  }
  for (const double floor : {-0.5, 1.5, nan}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(CheckBounds({.alpha_floor = floor, .rewards = {}}, TwoRewards()))) << floor;
  }
}

TEST(SteeringBoundsTest, OneUsablePresetIsEnough) {
  const SteeringBounds only_concise{.alpha_floor = 0.0, .rewards = {{"rouge", {0.7, 0.9}}}};
  EXPECT_TRUE(CheckBounds(only_concise, TwoRewards()).ok());
}

TEST(SteeringBoundsTest, RefusesBoundsThatLeaveNeitherDefaultsNorPresets) {
  const SteeringBounds neither{.alpha_floor = 0.0, .rewards = {{"rouge", {0.9, 1.0}}}};
  EXPECT_TRUE(absl::IsFailedPrecondition(CheckBounds(neither, TwoRewards())));
  EXPECT_TRUE(absl::IsFailedPrecondition(CheckBounds({.alpha_floor = 0.9, .rewards = {}}, TwoRewards())));
}

}  // namespace
}  // namespace trimtab
