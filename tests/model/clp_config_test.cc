#include "model/clp_config.h"

#include <string>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/t5_config.h"
#include "nlohmann/json.hpp"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

json Document() {
  return json::parse(R"({
    "format_version": 1, "name": "xsum", "variant": "attn",
    "rewards": [{"name": "nli", "description": "Entailed by the article", "score": "entailed",
                 "range": [-1, 1]},
                {"name": "mixed", "composite": {"nli": 0.9, "rouge": 0.1}}],
    "score_ranges": {"rouge": [19, 29]},
    "mixing": {"kind": "softmdp", "alpha_min": 0.01}, "default_alpha": 0.1, "task_prefix": "summarize: ",
    "presets": {"concise": {"alpha": 0.05, "w": [0.2, 0.8], "description": "Short"}},
    "prompt_conditioning": {"labels": ["factuality", "rouge"]},
    "sequence": 7, "logit_scale": 0.5, "training": {"steps": 10, "anything": [1, 2]}})");
}

json With(const json::json_pointer& where, const json& value) {
  json document = Document();
  document[where] = value;
  return document;
}

absl::StatusOr<ClpConfig> Parse(const json& document) { return ParseClpConfig(document.dump()); }

void ExpectRefused(const json& document, const std::string& key) {
  EXPECT_THAT(Parse(document), StatusIs(kInvalid, AllOf(HasSubstr("clp.json"), HasSubstr(key)))) << document;
}

TEST(ClpConfigTest, ReadsEveryKey) {
  ASSERT_OK_AND_ASSIGN(const ClpConfig config, Parse(Document()));
  EXPECT_EQ(config.name, "xsum");
  EXPECT_EQ(config.variant, "attn");
  EXPECT_THAT(config.patterns, ElementsAre("*.SelfAttention.*", "*.EncDecAttention.*"));
  ASSERT_EQ(config.rewards.size(), 2u);
  EXPECT_EQ(config.rewards[0].description, "Entailed by the article");
  EXPECT_EQ(config.rewards[0].score, "entailed");
  EXPECT_EQ(config.rewards[0].range_low, -1.0);
  EXPECT_EQ(config.score_ranges.at("rouge"), std::pair(19.0, 29.0));
  EXPECT_EQ(config.rewards[1].range_high, 1.0);
  EXPECT_EQ(config.rewards[1].composite.at("nli"), 0.9);
  EXPECT_EQ(config.mixing.kind, MixingKind::kSoftmdp);
  EXPECT_EQ(config.mixing.alpha_min, 0.01);
  EXPECT_EQ(config.default_alpha, 0.1);
  EXPECT_EQ(config.task_prefix, "summarize: ");
  EXPECT_THAT(config.presets.at("concise").w, ElementsAre(0.2, 0.8));
  EXPECT_THAT(config.prompt_conditioning->labels, ElementsAre("factuality", "rouge"));
  EXPECT_EQ(config.sequence, 7u);
  EXPECT_EQ(config.logit_scale, 0.5);
  EXPECT_EQ(config.num_sets(), 3);
  EXPECT_EQ(config.RewardIndex("mixed"), 1);
  EXPECT_EQ(config.RewardIndex("rouge"), -1);
}

TEST(ClpConfigTest, RoundTripsThroughItsText) {
  ASSERT_OK_AND_ASSIGN(ClpConfig config, Parse(Document()));
  config.digest = std::string(64, 'a');
  ASSERT_OK_AND_ASSIGN(const ClpConfig again, ParseClpConfig(ClpConfigToJson(config)));
  EXPECT_EQ(ClpConfigToJson(again), ClpConfigToJson(config));
  EXPECT_EQ(again.digest, config.digest);
  EXPECT_EQ(again.rewards[1].composite, config.rewards[1].composite);
  EXPECT_EQ(again.presets.at("concise").alpha, 0.05);
  EXPECT_EQ(again.logit_scale, 0.5);
  EXPECT_EQ(again.sequence, 7u);
}

TEST(ClpConfigTest, WritesTextEvenOfNamesThatAreNotUtf8) {
  ClpConfig config;
  config.name = "a\xff";
  EXPECT_OK(ParseClpConfig(ClpConfigToJson(config)));
}

TEST(ClpConfigTest, ReadsAModelWithoutRewards) {
  ASSERT_OK_AND_ASSIGN(const ClpConfig config, Parse({{"format_version", 1}, {"name", "flan"}}));
  EXPECT_EQ(config.variant, "none");
  EXPECT_THAT(config.rewards, IsEmpty());
  EXPECT_EQ(config.num_sets(), 1);
  EXPECT_FALSE(config.has_reference());
  EXPECT_EQ(config.default_alpha, 1.0);
}

TEST(ClpConfigTest, RefusesAFormatVersionItDoesNotKnow) {
  ExpectRefused(With("/format_version"_json_pointer, 2), "format_version");
  json absent = Document();
  absent.erase("format_version");
  ExpectRefused(absent, "format_version");
}

TEST(ClpConfigTest, RefusesUnknownKeysAtEveryLevel) {
  ExpectRefused(With("/alpha_fixd"_json_pointer, 1), "alpha_fixd");
  ExpectRefused(With("/rewards/0/rnge"_json_pointer, 1), "rnge");
  ExpectRefused(With("/mixing/beta"_json_pointer, 1), "beta");
  ExpectRefused(With("/presets/concise/weight"_json_pointer, 1), "weight");
  ExpectRefused(With("/prompt_conditioning/prefix"_json_pointer, 1), "prefix");
}

TEST(ClpConfigTest, RefusesIllFormedRewardNames) {
  for (const char* name : {"", "NLI", "a-b", "../x", "a/b", "a b", "abcdefghijklmnopqrstuvwxyz0123456"}) {
    ExpectRefused(With("/rewards/0/name"_json_pointer, name), "name");
  }
}

TEST(ClpConfigTest, RefusesARewardNameThatAppearsTwice) {
  ExpectRefused(With("/rewards/1/name"_json_pointer, "nli"), "twice");
}

TEST(ClpConfigTest, RefusesMoreThanSixteenRewards) {
  json document = Document();
  document.erase("presets");
  document.erase("prompt_conditioning");
  document["rewards"] = json::array();
  for (int i = 0; i < 16; ++i) document["rewards"].push_back({{"name", TinyRewardName(i)}});
  EXPECT_OK(Parse(document));
  document["rewards"].push_back({{"name", "more"}});
  ExpectRefused(document, "at most 16");
}

TEST(ClpConfigTest, RefusesARangeThatDoesNotRise) {
  for (const json& range : {json{1, 1}, json{1, 0}, json{0}, json{0, 1, 2}, json("01"), json{0, "1"}}) {
    ExpectRefused(With("/rewards/0/range"_json_pointer, range), "range");
  }
}

TEST(ClpConfigTest, RefusesAnAlphaMinOutsideZeroToOne) {
  for (const json& alpha : {json(0), json(-0.1), json(1.1), json("0.1")}) {
    ExpectRefused(With("/mixing/alpha_min"_json_pointer, alpha), "alpha_min");
  }
}

TEST(ClpConfigTest, RefusesAnUnknownMixing) { ExpectRefused(With("/mixing/kind"_json_pointer, "softmax"), "softmax"); }

TEST(ClpConfigTest, RefusesADefaultAlphaBelowAlphaMin) {
  ExpectRefused(With("/default_alpha"_json_pointer, 0.001), "default_alpha");
  ExpectRefused(With("/default_alpha"_json_pointer, 1.001), "default_alpha");
}

TEST(ClpConfigTest, HasNoReferenceWhenTrainedAtOneAlpha) {
  json document = Document();
  document.erase("presets");
  document.erase("default_alpha");
  document["mixing"] = {{"kind", "fixed"}, {"alpha_min", 0.05}};
  ASSERT_OK_AND_ASSIGN(const ClpConfig config, Parse(document));
  EXPECT_FALSE(config.has_reference());
  EXPECT_EQ(config.num_sets(), 2);
  EXPECT_EQ(config.default_alpha, 0.05);
  document["default_alpha"] = 0.1;
  ExpectRefused(document, "default_alpha");
}

TEST(ClpConfigTest, RefusesAPresetOffTheSimplex) {
  for (const json& w : {json{0.5, 0.6}, json{1.2, -0.2}, json{1}, json{0.3, 0.3, 0.4}}) {
    ExpectRefused(With("/presets/concise/w"_json_pointer, w), "concise");
  }
  ExpectRefused(With("/presets/concise/alpha"_json_pointer, 0.001), "concise");
  ExpectRefused(With("/presets/Bad Name"_json_pointer, {{"w", {0.5, 0.5}}}), "Bad Name");
}

TEST(ClpConfigTest, WantsOnePromptLabelPerReward) {
  ExpectRefused(With("/prompt_conditioning/labels"_json_pointer, json{"factuality"}), "labels");
}

TEST(ClpConfigTest, RefusesADigestThatIsNotSha256) {
  for (const std::string& digest : {std::string(63, 'a'), std::string(64, 'A'), std::string(64, 'g')}) {
    ExpectRefused(With("/digest"_json_pointer, digest), "digest");
  }
}

TEST(ClpConfigTest, RefusesANegativeSequence) { ExpectRefused(With("/sequence"_json_pointer, -1), "sequence"); }

TEST(ClpConfigTest, RefusesALogitScaleThatIsNotPositive) {
  ExpectRefused(With("/logit_scale"_json_pointer, 0), "logit_scale");
}

TEST(ClpConfigTest, RefusesPatternsThatContradictTheVariant) {
  ExpectRefused(With("/patterns"_json_pointer, json{"*.wo.weight"}), "patterns");
  json custom = With("/patterns"_json_pointer, json{"*.wo.weight"});
  custom["variant"] = "custom";
  ASSERT_OK_AND_ASSIGN(const ClpConfig config, Parse(custom));
  EXPECT_THAT(config.patterns, ElementsAre("*.wo.weight"));
}

TEST(ClpConfigTest, AllowsAnEmptySForPrompting) {
  json custom = Document();
  custom["variant"] = "custom";
  ASSERT_OK_AND_ASSIGN(const ClpConfig config, Parse(custom));
  EXPECT_THAT(config.patterns, IsEmpty());
}

TEST(ClpConfigTest, RefusesAnUnknownVariant) {
  EXPECT_THAT(Parse(With("/variant"_json_pointer, "lora")), StatusIs(kInvalid, HasSubstr("variant is \"lora\"")));
}

TEST(ClpConfigTest, RefusesTypesThatAreWrong) {
  ExpectRefused(With("/name"_json_pointer, 3), "name");
  ExpectRefused(With("/rewards"_json_pointer, "nli"), "rewards");
  ExpectRefused(With("/rewards/0"_json_pointer, "nli"), "rewards[0]");
  ExpectRefused(With("/rewards/1/composite"_json_pointer, {{"nli", "much"}}), "composite");
  ExpectRefused(With("/rewards/1/composite"_json_pointer, {{"tldr", 1}}), "rewards[1] composite is of \"tldr\"");
  ExpectRefused(With("/rewards/1/composite"_json_pointer, {{"mixed", 1}}), "rewards[1] composite is of \"mixed\"");
  ExpectRefused(With("/score_ranges/rouge"_json_pointer, {29, 19}), "score_ranges: rouge");
  ExpectRefused(With("/score_ranges"_json_pointer, 3), "score_ranges");
  ExpectRefused(With("/mixing"_json_pointer, "softmdp"), "mixing");
  ExpectRefused(With("/presets"_json_pointer, json::array()), "presets");
  ExpectRefused(json::array(), "clp.json");
}

TEST(VariantPatternsTest, AttnMatchesAttentionAndItsBiasAndNoNorm) {
  ASSERT_OK_AND_ASSIGN(const std::vector<std::string> patterns, VariantPatterns("attn"));
  for (const TensorSpec& spec : T5Tensors(TinyConfig({}))) {
    const bool attention = absl::StrContains(spec.name, "Attention");
    EXPECT_EQ(MatchesAny(patterns, spec.name), attention) << spec.name;
    EXPECT_FALSE(attention && spec.role == TensorRole::kNormGain) << spec.name;
  }
}

TEST(VariantPatternsTest, FullMatchesEverythingAndLogitTheOutputLayerOnly) {
  ASSERT_OK_AND_ASSIGN(const std::vector<std::string> full, VariantPatterns("full"));
  ASSERT_OK_AND_ASSIGN(const std::vector<std::string> logit, VariantPatterns("logit"));
  TinyOptions untied;
  untied.tied = false;
  for (const TensorSpec& spec : T5Tensors(TinyConfig(untied))) {
    EXPECT_TRUE(MatchesAny(full, spec.name)) << spec.name;
    EXPECT_EQ(MatchesAny(logit, spec.name), spec.name == "lm_head.weight") << spec.name;
  }
}

TEST(MatchesAnyTest, TreatsOnlyTheStarAsSpecial) {
  EXPECT_TRUE(MatchesAny({"a*b*c"}, "abc"));
  EXPECT_TRUE(MatchesAny({"a*b*c"}, "aXbXbYc"));
  EXPECT_FALSE(MatchesAny({"a*b*c"}, "acb"));
  EXPECT_FALSE(MatchesAny({"ab*ba"}, "aba"));  // The ends must not share a letter.
  EXPECT_FALSE(MatchesAny({"a.c", "a?c", "[a]bc"}, "abc"));
  EXPECT_TRUE(MatchesAny({"x", "abc"}, "abc"));
  EXPECT_TRUE(MatchesAny({"**"}, ""));
  EXPECT_FALSE(MatchesAny({""}, "a"));
  EXPECT_FALSE(MatchesAny({}, "a"));
}

TEST(MatchesAnyTest, TakesNoLongOverAPatternOfManyStars) {
  std::string pattern;
  for (int i = 0; i < 1000; ++i) pattern += "*a";
  EXPECT_FALSE(MatchesAny({pattern + "b"}, std::string(500, 'a')));
}

Weighting Weigh(const ClpConfig& config, const std::vector<double>& w) {
  return Weighting::Create(config.mixing, static_cast<int>(w.size()), 0.1, w).value();
}

TEST(BuildPromptTest, PutsTheTaskPrefixBeforeTheArticle) {
  json document = Document();
  document.erase("prompt_conditioning");
  ASSERT_OK_AND_ASSIGN(const ClpConfig config, Parse(document));
  EXPECT_EQ(BuildPrompt(config, Weigh(config, {0.4, 0.6}), "Rain fell."), "summarize: Rain fell.");
}

TEST(BuildPromptTest, PutsEachWeightFiveTimesBeforeTheTaskPrefixWhenAskedTo) {
  ASSERT_OK_AND_ASSIGN(const ClpConfig config, Parse(Document()));
  EXPECT_EQ(BuildPrompt(config, Weigh(config, {0.4, 0.6}), "Rain fell."),
            "factuality: 0.40 0.40 0.40 0.40 0.40; rouge: 0.60 0.60 0.60 0.60 0.60. summarize: Rain fell.");
}

}  // namespace
}  // namespace trimtab
