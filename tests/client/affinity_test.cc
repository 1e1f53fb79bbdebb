#include "client/affinity.h"

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/affinity_key.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

v1::GetModelInfoResponse Info() {
  v1::GetModelInfoResponse info;
  for (const char* name : {"brief", "full"}) info.add_rewards()->set_name(name);
  info.set_mixing("softmdp");
  info.set_alpha_min(0.1);
  info.set_default_alpha(0.1);
  info.set_grid_bits_w(20);
  info.set_grid_bits_beta(20);
  v1::Preset* preset = info.add_presets();
  preset->set_name("concise");
  preset->set_alpha(1.0);
  preset->add_weights(1.0);
  preset->add_weights(0.0);
  return info;
}

v1::Steering Weights(std::vector<double> weights, std::optional<double> alpha = std::nullopt) {
  v1::Steering steering;
  steering.mutable_weights()->Assign(weights.begin(), weights.end());
  if (alpha.has_value()) steering.set_alpha(*alpha);
  return steering;
}

v1::SummarizeResponse Reply(std::vector<float> coefficients) {
  v1::SummarizeResponse reply;
  reply.mutable_weighting()->mutable_coefficients()->Assign(coefficients.begin(), coefficients.end());
  return reply;
}

class AffinityKeysTest : public testing::Test {
 protected:
  std::string For(const v1::Steering& steering) { return keys_.For(steering, absl::InfiniteFuture(), "token"); }

  absl::StatusOr<v1::GetModelInfoResponse> info_ = Info();
  int asked_ = 0;
  AffinityKeys keys_{[this](absl::Time, const std::string& token) {
    EXPECT_EQ(token, "token");
    ++asked_;
    return info_;
  }};
};

TEST_F(AffinityKeysTest, AreThoseOfTheCoefficientsTheServerWillUse) {
  EXPECT_EQ(For(Weights({0.25, 0.75})), AffinityKey(std::vector<float>{0.25f, 0.75f, 0.0f}));
  EXPECT_EQ(For(Weights({0.25, 0.75}, 1.0)), AffinityKey(std::vector<float>{0.0f, 0.0f, 1.0f}));
  EXPECT_EQ(For({}), AffinityKey(std::vector<float>{0.5f, 0.5f, 0.0f}));
  v1::Steering named;
  (*named.mutable_named_weights())["full"] = 1.0;
  EXPECT_EQ(For(named), AffinityKey(std::vector<float>{0.0f, 1.0f, 0.0f}));
  v1::Steering preset;
  preset.set_preset("concise");
  EXPECT_EQ(For(preset), AffinityKey(std::vector<float>{0.0f, 0.0f, 1.0f}));
  EXPECT_EQ(asked_, 1);
}

TEST_F(AffinityKeysTest, FollowTheGridAndTheMixingOfTheServer) {
  info_->set_grid_bits_w(2);
  info_->set_mixing("fixed");
  EXPECT_EQ(For(Weights({0.3, 0.7})), AffinityKey(std::vector<float>{0.25f, 0.75f}));
}

TEST_F(AffinityKeysTest, AreEmptyForWhatTheServerWouldRefuse) {
  EXPECT_EQ(For(Weights({2.0, 0.0})), "");
  EXPECT_EQ(For(Weights({1.0})), "");
  EXPECT_EQ(For(Weights({0.5, 0.5}, std::numeric_limits<double>::quiet_NaN())), "");
  v1::Steering preset;
  preset.set_preset("nothing");
  EXPECT_EQ(For(preset), "");
}

TEST_F(AffinityKeysTest, AreEmptyWhileNobodySaysWhatIsServedWithoutAskingEachTime) {
  info_ = absl::UnavailableError("nobody there");
  EXPECT_EQ(For(Weights({0.5, 0.5})), "");
  EXPECT_EQ(For(Weights({0.5, 0.5})), "");
  EXPECT_EQ(asked_, 1);
}

TEST_F(AffinityKeysTest, AskAgainWhenAReplyWasMadeWithOtherCoefficients) {
  const std::string key = For(Weights({0.25, 0.75}));
  keys_.Learn(key, Reply({0.25f, 0.75f, 0.0f}));
  EXPECT_EQ(For(Weights({0.25, 0.75})), key);
  EXPECT_EQ(asked_, 1);
  info_->set_default_alpha(1.0);  // A new model.
  keys_.Learn(key, Reply({0.0f, 0.0f, 1.0f}));
  EXPECT_EQ(For(Weights({0.25, 0.75})), AffinityKey(std::vector<float>{0.0f, 0.0f, 1.0f}));
  EXPECT_EQ(asked_, 2);
}

TEST_F(AffinityKeysTest, AskAgainWhenTheServerTakesWhatSeemedInvalidOrTheOtherWayRound) {
  EXPECT_EQ(For(Weights({1.0})), "");
  keys_.Learn("", absl::InvalidArgumentError("steering.weights"));
  EXPECT_EQ(For(Weights({1.0})), "");
  EXPECT_EQ(asked_, 1) << "server and client agree";
  info_->mutable_rewards()->RemoveLast();
  keys_.Learn("", Reply({1.0f, 0.0f}));
  EXPECT_EQ(For(Weights({1.0})), AffinityKey(std::vector<float>{1.0f, 0.0f}));
  EXPECT_EQ(asked_, 2);
  keys_.Learn(For(Weights({1.0})), absl::InvalidArgumentError("steering.weights"));
  For(Weights({1.0}));
  EXPECT_EQ(asked_, 3);
  keys_.Learn(For(Weights({1.0})), absl::UnavailableError("gone"));
  For(Weights({1.0}));
  EXPECT_EQ(asked_, 3);
}

TEST(ServedSteeringTest, RefusesWhatNoKeyCanBeMadeOf) {
  EXPECT_OK(ServedSteeringOf(Info()));
  auto old = Info();
  old.clear_grid_bits_w();
  auto fine = Info();
  fine.set_grid_bits_beta(21);
  auto unknown = Info();
  unknown.set_mixing("other");
  auto zero = Info();
  zero.set_alpha_min(0.0);
  auto nan = Info();
  nan.set_alpha_min(std::numeric_limits<double>::quiet_NaN());
  for (const auto& info : {old, fine, unknown, zero, nan}) {
    EXPECT_THAT(ServedSteeringOf(info), StatusIs(absl::StatusCode::kFailedPrecondition)) << info.ShortDebugString();
  }
}

}  // namespace
}  // namespace trimtab
