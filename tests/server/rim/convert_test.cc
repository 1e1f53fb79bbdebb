#include "server/rim/convert.h"

#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/field_error.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

v1::SummarizeRequest Request(const std::string& article) {
  v1::SummarizeRequest request;
  request.set_article(article);
  return request;
}

ClpConfig TwoRewards() {
  ClpConfig clp;
  clp.variant = "attn";
  clp.rewards.resize(2);
  clp.rewards[0].name = "brief";
  clp.rewards[1].name = "full";
  clp.mixing = {MixingKind::kSoftmdp, 0.1};
  clp.default_alpha = 0.1;
  clp.presets["concise"].alpha = 0.2;
  clp.presets["concise"].w = {1.0, 0.0};
  return clp;
}

TEST(ConvertTest, TakesArticlesFromOneByteToOneMebibyte) {
  EXPECT_OK(CheckRequest(Request("x")));
  EXPECT_OK(CheckRequest(Request(std::string(kMaxArticleBytes, 'x'))));
}

TEST(ConvertTest, RefusesWhatNoModelCouldTakeAndNamesTheField) {
  const struct {
    const char* what;
    std::string field;
    std::function<void(v1::SummarizeRequest&)> spoil;
  } kCases[] = {
      {"empty", "article", [](auto& r) { r.clear_article(); }},
      {"too long", "article", [](auto& r) { r.set_article(std::string(kMaxArticleBytes + 1, 'x')); }},
      {"NUL", "article", [](auto& r) { r.set_article(std::string("a\0b", 3)); }},
      {"blank", "article", [](auto& r) { r.set_article(" \n\t "); }},
      {"17 weights", "steering.weights",
       [](auto& r) {
         for (int i = 0; i < 17; ++i) r.mutable_steering()->add_weights(1.0 / 17);
       }},
      {"17 names", "steering.named_weights",
       [](auto& r) {
         for (int i = 0; i < 17; ++i) (*r.mutable_steering()->mutable_named_weights())["r" + std::to_string(i)] = 1;
       }},
      {"a long name", "steering.named_weights",
       [](auto& r) { (*r.mutable_steering()->mutable_named_weights())[std::string(65, 'n')] = 1; }},
      {"a long preset", "steering.preset", [](auto& r) { r.mutable_steering()->set_preset(std::string(65, 'p')); }},
      {"a long digest", "parameter_digest", [](auto& r) { r.set_parameter_digest(std::string(65, 'a')); }},
      {"an unknown path", "execution_path", [](auto& r) { r.set_execution_path(static_cast<v1::ExecutionPath>(7)); }},
  };
  for (const auto& c : kCases) {
    v1::SummarizeRequest request = Request("text");
    c.spoil(request);
    const absl::Status status = CheckRequest(request);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.field))) << c.what;
    EXPECT_EQ(FieldOf(status), c.field) << c.what;
  }
}

TEST(ConvertTest, ResolvesSteeringByPositionByNameAndByPreset) {
  v1::SummarizeRequest request = Request("text");
  request.mutable_steering()->set_alpha(0.5);
  request.mutable_steering()->add_weights(0.25);
  request.mutable_steering()->add_weights(0.75);
  ASSERT_OK_AND_ASSIGN(const Steering by_position, ResolveRequest(TwoRewards(), {}, {}, request));
  EXPECT_THAT(by_position.weighting.w(), ElementsAre(0.25, 0.75));
  EXPECT_EQ(by_position.weighting.alpha(), 0.5);

  request.mutable_steering()->clear_weights();
  (*request.mutable_steering()->mutable_named_weights())["full"] = 0.75;
  (*request.mutable_steering()->mutable_named_weights())["brief"] = 0.25;
  ASSERT_OK_AND_ASSIGN(const Steering by_name, ResolveRequest(TwoRewards(), {}, {}, request));
  EXPECT_EQ(by_name.coefficients, by_position.coefficients);

  request.clear_steering();
  request.mutable_steering()->set_preset("concise");
  ASSERT_OK_AND_ASSIGN(const Steering preset, ResolveRequest(TwoRewards(), {}, {}, request));
  EXPECT_EQ(preset.weighting.alpha(), 0.2);
  EXPECT_THAT(preset.weighting.w(), ElementsAre(1.0, 0.0));
}

TEST(ConvertTest, NamesSteeringFieldsByTheirPathInTheRequest) {
  v1::SummarizeRequest request = Request("text");
  request.mutable_steering()->set_alpha(std::numeric_limits<double>::quiet_NaN());
  const auto nan = ResolveRequest(TwoRewards(), {}, {}, request).status();
  EXPECT_EQ(FieldOf(nan), "steering.alpha");
  EXPECT_THAT(std::string(nan.message()), testing::StartsWith("steering.alpha "));

  request.clear_steering();
  (*request.mutable_steering()->mutable_named_weights())["nope"] = 1;
  EXPECT_EQ(FieldOf(ResolveRequest(TwoRewards(), {}, {}, request).status()), "steering.named_weights[nope]");
}

TEST(ConvertTest, FillsOptionsFromTheCheckpointAndCutsThemToTheLimits) {
  const GenerationDefaults defaults{
      .max_new_tokens = 200, .num_beams = 4, .length_penalty = 0.5f, .no_repeat_ngram_size = 3};
  ASSERT_OK_AND_ASSIGN(const GenerationOptions options,
                       OptionsFromProto({}, defaults, 100, {.max_new_tokens = 50, .max_beams = 2}));
  EXPECT_EQ(options.max_new_tokens, 50);
  EXPECT_EQ(options.num_beams, 2);
  EXPECT_EQ(options.length_penalty, 0.5f);
  EXPECT_EQ(options.no_repeat_ngram_size, 3);
}

TEST(ConvertTest, EveryOptionSurvivesTheWayThereAndBack) {
  v1::GenerationOptions asked;
  asked.set_max_new_tokens(17);
  asked.set_min_new_tokens(3);
  asked.set_num_beams(1);
  asked.set_length_penalty(-1.5f);
  asked.set_no_repeat_ngram_size(2);
  asked.set_temperature(0.75f);
  asked.set_top_k(9);
  asked.set_top_p(0.5f);
  asked.set_seed(uint64_t{1} << 63);
  asked.set_log_probs(true);
  ASSERT_OK_AND_ASSIGN(const GenerationOptions options, OptionsFromProto(asked, {}, 100, {}));
  EXPECT_EQ(OptionsToProto(options).SerializeAsString(), asked.SerializeAsString());
}

TEST(ConvertTest, ATemperatureTurnsDefaultBeamsOffButNotAskedOnes) {
  v1::GenerationOptions asked;
  asked.set_temperature(1.0f);
  ASSERT_OK_AND_ASSIGN(const GenerationOptions options, OptionsFromProto(asked, {.num_beams = 4}, 100, {}));
  EXPECT_EQ(options.num_beams, 1);
  asked.set_num_beams(4);
  EXPECT_EQ(FieldOf(OptionsFromProto(asked, {}, 100, {}).status()), "options.num_beams");
}

TEST(ConvertTest, RefusesOptionsBeyondTheServersLimits) {
  v1::GenerationOptions long_text;
  long_text.set_max_new_tokens(51);
  EXPECT_EQ(FieldOf(OptionsFromProto(long_text, {}, 100, {.max_new_tokens = 50}).status()), "options.max_new_tokens");
  v1::GenerationOptions wide;
  wide.set_num_beams(3);
  EXPECT_EQ(FieldOf(OptionsFromProto(wide, {}, 100, {.max_beams = 2}).status()), "options.num_beams");
}

TEST(ConvertTest, SplitsTimesIntoSecondsAndNanoseconds) {
  SummaryTimes times;
  times.queue = absl::Milliseconds(2500);
  times.mix = absl::Nanoseconds(7);
  const v1::Timings message = TimingsToProto(times);
  EXPECT_EQ(message.queue().seconds(), 2);
  EXPECT_EQ(message.queue().nanos(), 500'000'000);
  EXPECT_EQ(message.mix().seconds(), 0);
  EXPECT_EQ(message.mix().nanos(), 7);
}

}  // namespace
}  // namespace trimtab
