#include "model/t5_config.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// flan-t5-small's shape: 6 heads of 64 are not d_model.
json Flan() {
  return {{"model_type", "t5"},
          {"vocab_size", 32128},
          {"d_model", 512},
          {"d_kv", 64},
          {"d_ff", 1024},
          {"num_heads", 6},
          {"num_layers", 8},
          {"num_decoder_layers", 4},
          {"feed_forward_proj", "gated-gelu"},
          {"tie_word_embeddings", false}};
}

json With(const std::string& key, const json& value) {
  json config = Flan();
  config[key] = value;
  return config;
}

json Without(const std::string& key) {
  json config = Flan();
  config.erase(key);
  return config;
}

absl::StatusOr<T5Config> Parse(const json& config) { return ParseT5Config(config.dump()); }

std::vector<std::string> Names(const T5Config& config) {
  std::vector<std::string> names;
  for (const TensorSpec& spec : T5Tensors(config)) names.push_back(spec.name);
  return names;
}

TEST(T5ConfigTest, ReadsTheShape) {
  ASSERT_OK_AND_ASSIGN(const T5Config config, Parse(Flan()));
  EXPECT_EQ(config.vocab_size, 32128);
  EXPECT_EQ(config.d_model, 512);
  EXPECT_EQ(config.inner(), 384);
  EXPECT_EQ(config.encoder_layers, 8);
  EXPECT_EQ(config.decoder_layers, 4);
}

TEST(T5ConfigTest, GivesTheDecoderAsManyLayersWhenItsNumberIsAbsent) {
  ASSERT_OK_AND_ASSIGN(const T5Config config, Parse(Without("num_decoder_layers")));
  EXPECT_EQ(config.decoder_layers, 8);
}

TEST(T5ConfigTest, UsesTheOriginalBucketsWhenOldFilesDoNotStateThem) {
  ASSERT_OK_AND_ASSIGN(const T5Config config, Parse(Flan()));
  EXPECT_EQ(config.relative_buckets, 32);
  EXPECT_EQ(config.relative_max_distance, 128);
}

TEST(T5ConfigTest, ScalesLogitsOnlyWhenTheEmbeddingsAreTied) {
  ASSERT_OK_AND_ASSIGN(const T5Config untied, Parse(Flan()));
  EXPECT_FALSE(untied.tied_embeddings);
  EXPECT_EQ(untied.logit_scale, 1.0f);
  ASSERT_OK_AND_ASSIGN(const T5Config tied, Parse(With("tie_word_embeddings", true)));
  EXPECT_TRUE(tied.tied_embeddings);
  EXPECT_FLOAT_EQ(tied.logit_scale, 0.044194174f);  // 512^-0.5
}

TEST(T5ConfigTest, TakesAnAbsentTieAsTiedForT5AndUntiedForMt5) {
  ASSERT_OK_AND_ASSIGN(const T5Config t5, Parse(Without("tie_word_embeddings")));
  EXPECT_TRUE(t5.tied_embeddings);
  json mt5 = Without("tie_word_embeddings");
  mt5["model_type"] = "mt5";
  mt5.erase("feed_forward_proj");
  ASSERT_OK_AND_ASSIGN(const T5Config config, Parse(mt5));
  EXPECT_FALSE(config.tied_embeddings);
  EXPECT_TRUE(config.gated);
  EXPECT_EQ(config.activation, Activation::kGeluNew);
}

TEST(T5ConfigTest, ReadsGatedGeluAsTheTanhForm) {
  ASSERT_OK_AND_ASSIGN(const T5Config config, Parse(Flan()));
  EXPECT_TRUE(config.gated);
  EXPECT_EQ(config.activation, Activation::kGeluNew);
}

TEST(T5ConfigTest, ReadsTheOtherActivations) {
  ASSERT_OK_AND_ASSIGN(const T5Config relu, Parse(Without("feed_forward_proj")));
  EXPECT_FALSE(relu.gated);
  EXPECT_EQ(relu.activation, Activation::kRelu);
  ASSERT_OK_AND_ASSIGN(const T5Config silu, Parse(With("feed_forward_proj", "gated-silu")));
  EXPECT_TRUE(silu.gated);
  EXPECT_EQ(silu.activation, Activation::kSilu);
  ASSERT_OK_AND_ASSIGN(const T5Config gelu, Parse(With("feed_forward_proj", "gelu")));
  EXPECT_FALSE(gelu.gated);
  EXPECT_EQ(gelu.activation, Activation::kGelu);
}

TEST(T5ConfigTest, LetsDenseActFnOverrideTheProjectionAsHuggingFaceDoes) {
  ASSERT_OK_AND_ASSIGN(const T5Config config, Parse(With("dense_act_fn", "gelu")));
  EXPECT_TRUE(config.gated);
  EXPECT_EQ(config.activation, Activation::kGelu);
}

TEST(T5ConfigTest, RefusesAnUnknownActivation) {
  EXPECT_THAT(Parse(With("feed_forward_proj", "gated-mish")), StatusIs(kInvalid, HasSubstr("mish")));
}

TEST(T5ConfigTest, ReadsSpecialTokensThatDifferFromT5s) {
  json config = With("eos_token_id", 2);
  config["decoder_start_token_id"] = 1;
  ASSERT_OK_AND_ASSIGN(const T5Config parsed, Parse(config));
  EXPECT_EQ(parsed.eos_id, 2);
  EXPECT_EQ(parsed.decoder_start_id, 1);
  EXPECT_EQ(parsed.pad_id, 0);
}

TEST(T5ConfigTest, StartsTheDecoderWithThePadWhenNothingIsStated) {
  ASSERT_OK_AND_ASSIGN(const T5Config parsed, Parse(With("pad_token_id", 3)));
  EXPECT_EQ(parsed.decoder_start_id, 3);
}

TEST(T5ConfigTest, RefusesASpecialTokenBeyondTheVocabulary) {
  EXPECT_THAT(Parse(With("eos_token_id", 32128)), StatusIs(kInvalid, HasSubstr("eos_token_id")));
}

TEST(T5ConfigTest, NamesEveryMissingKey) {
  for (const char* key : {"vocab_size", "d_model", "d_kv", "d_ff", "num_heads", "num_layers"}) {
    EXPECT_THAT(Parse(Without(key)), StatusIs(kInvalid, AllOf(HasSubstr(key), HasSubstr("missing")))) << key;
  }
}

TEST(T5ConfigTest, NamesEverySizeOutOfRange) {
  for (const char* key : {"vocab_size", "d_model", "d_kv", "d_ff", "num_heads", "num_layers", "num_decoder_layers",
                          "relative_attention_num_buckets", "relative_attention_max_distance"}) {
    for (const json& bad : {json(0), json(-1), json(1 << 30), json(18446744073709551615u), json(1.5), json("8")}) {
      EXPECT_THAT(Parse(With(key, bad)), StatusIs(kInvalid, AllOf(HasSubstr(key), HasSubstr("expected")))) << bad;
    }
  }
}

TEST(T5ConfigTest, RefusesBucketsThatCannotBeHalvedTwice) {
  EXPECT_THAT(Parse(With("relative_attention_num_buckets", 30)), StatusIs(kInvalid, HasSubstr("multiple of 4")));
}

TEST(T5ConfigTest, RefusesAMaximalDistanceWithinTheExactBuckets) {
  EXPECT_THAT(Parse(With("relative_attention_max_distance", 16)), StatusIs(kInvalid, HasSubstr("max_distance")));
  EXPECT_OK(Parse(With("relative_attention_max_distance", 17)));
}

TEST(T5ConfigTest, RefusesAnotherKindOfModel) {
  EXPECT_THAT(Parse(With("model_type", "umt5")), StatusIs(kInvalid, AllOf(HasSubstr("model_type"), HasSubstr("umt5"))));
  EXPECT_THAT(Parse(With("model_type", "bart")), StatusIs(kInvalid));
}

TEST(T5ConfigTest, RefusesTextThatIsNotAnObject) {
  EXPECT_THAT(ParseT5Config("[]"), StatusIs(kInvalid, HasSubstr("config.json")));
  EXPECT_THAT(ParseT5Config("{"), StatusIs(kInvalid, HasSubstr("config.json")));
}

TEST(GenerationDefaultsTest, ReadsWhatIsThereAndKeepsTheRest) {
  ASSERT_OK_AND_ASSIGN(const GenerationDefaults defaults,
                       ParseGenerationDefaults(R"({"max_new_tokens": 32, "num_beams": 4, "pad_token_id": 0})"));
  EXPECT_EQ(defaults.max_new_tokens, 32);
  EXPECT_EQ(defaults.num_beams, 4);
  EXPECT_EQ(defaults.length_penalty, 1.0f);
  EXPECT_EQ(defaults.no_repeat_ngram_size, 0);
}

TEST(GenerationDefaultsTest, NamesAValueOutOfRange) {
  EXPECT_THAT(ParseGenerationDefaults(R"({"num_beams": 0})"), StatusIs(kInvalid, HasSubstr("num_beams")));
  EXPECT_THAT(ParseGenerationDefaults(R"({"length_penalty": 99})"), StatusIs(kInvalid, HasSubstr("length_penalty")));
}

TEST(T5TensorsTest, ListsEveryTensorOfASmallModelOnce) {
  json small = Flan();
  small["num_layers"] = 2;
  small["num_decoder_layers"] = 1;
  ASSERT_OK_AND_ASSIGN(const T5Config config, Parse(small));
  std::vector<std::string> names = Names(config);
  // Embedding; 2 x (4 + norm + wi_0, wi_1, wo + norm) + bias + final; 1 x (... + 4 + norm) + bias + final; lm_head.
  EXPECT_EQ(names.size(), 1u + 2 * 9 + 2 + 14 + 2 + 1);
  EXPECT_EQ(names.front(), "shared.weight");
  EXPECT_EQ(names.back(), "lm_head.weight");
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
}

TEST(T5TensorsTest, GivesShapesAsStored) {
  ASSERT_OK_AND_ASSIGN(const T5Config config, Parse(Flan()));
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const TensorSpec& spec : T5Tensors(config)) shapes[spec.name] = spec.shape;
  EXPECT_THAT(shapes["shared.weight"], ElementsAre(32128, 512));
  EXPECT_THAT(shapes["encoder.block.1.layer.0.SelfAttention.q.weight"], ElementsAre(384, 512));
  EXPECT_THAT(shapes["decoder.block.3.layer.1.EncDecAttention.o.weight"], ElementsAre(512, 384));
  EXPECT_THAT(shapes["decoder.block.0.layer.2.DenseReluDense.wo.weight"], ElementsAre(512, 1024));
  EXPECT_THAT(shapes["encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"], ElementsAre(32, 6));
  EXPECT_THAT(shapes["decoder.final_layer_norm.weight"], ElementsAre(512));
}

TEST(T5TensorsTest, KeepsRelativeBiasInTheFirstLayerOfEachStackOnly) {
  ASSERT_OK_AND_ASSIGN(const T5Config config, Parse(Flan()));
  std::vector<std::string> biases;
  for (const std::string& name : Names(config)) {
    if (name.find("relative_attention_bias") != std::string::npos) biases.push_back(name);
  }
  EXPECT_THAT(biases, ElementsAre("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
                                  "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"));
}

TEST(T5TensorsTest, HasOneInputMatrixWhenNotGatedAndNoHeadWhenTied) {
  json v10 = Without("feed_forward_proj");
  v10.erase("tie_word_embeddings");
  ASSERT_OK_AND_ASSIGN(const T5Config config, Parse(v10));
  const std::vector<std::string> names = Names(config);
  EXPECT_THAT(names, Contains("encoder.block.0.layer.1.DenseReluDense.wi.weight"));
  EXPECT_THAT(names, Not(Contains("encoder.block.0.layer.1.DenseReluDense.wi_0.weight")));
  EXPECT_THAT(names, Not(Contains("lm_head.weight")));
}

TEST(CanonicalTensorNameTest, MapsBothStacksEmbeddingsToTheSharedOne) {
  EXPECT_EQ(CanonicalTensorName("encoder.embed_tokens.weight"), "shared.weight");
  EXPECT_EQ(CanonicalTensorName("decoder.embed_tokens.weight"), "shared.weight");
  EXPECT_EQ(CanonicalTensorName("lm_head.weight"), "lm_head.weight");
}

TEST(IsIgnoredTensorTest, IgnoresTheBiasSomeExportsGiveCrossAttention) {
  EXPECT_TRUE(IsIgnoredTensor("decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"));
  EXPECT_FALSE(IsIgnoredTensor("decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"));
}

}  // namespace
}  // namespace trimtab
