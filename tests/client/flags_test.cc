#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "client/commands/article.h"
#include "client/commands/generation_flags.h"
#include "client/commands/records.h"
#include "client/commands/steering_flags.h"
#include "client/commands/tls_flags.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

using testing::HasSubstr;

absl::StatusOr<std::vector<v1::Steering>> ParseSteering(const std::string& line) {
  CLI::App app;
  SteeringFlags flags;
  flags.AddTo(app);
  app.parse(line);
  return flags.Parse();
}

TEST(TlsFlagsTest, AnyOfThemTurnsItOn) {
  for (const std::string line :
       {"", "--tls", "--tls-ca ca.pem", "--tls-server-name a --tls-certificate c --tls-key k"}) {
    CLI::App app;
    TlsOptions tls;
    AddTlsFlags(app, &tls);
    app.parse(line);
    EXPECT_EQ(tls.on(), !line.empty()) << line;
    EXPECT_EQ(tls.enabled, line == "--tls");
  }
}

TEST(SteeringFlagsTest, WithoutFlagsThereIsOneWeightingLeftToTheServer) {
  ASSERT_OK_AND_ASSIGN(const auto steerings, ParseSteering(""));
  ASSERT_EQ(steerings.size(), 1u);
  EXPECT_EQ(steerings[0].ByteSizeLong(), 0u);
}

TEST(SteeringFlagsTest, ReadsWeightsNamesAndPresetsInThisOrder) {
  ASSERT_OK_AND_ASSIGN(const auto steerings,
                       ParseSteering("--preset concise --named a=0.25,b=0.75 --weights 1,0 --weights 0.5,0.5"));
  ASSERT_EQ(steerings.size(), 4u);
  EXPECT_THAT(steerings[0].weights(), testing::ElementsAre(1.0, 0.0));
  EXPECT_THAT(steerings[1].weights(), testing::ElementsAre(0.5, 0.5));
  EXPECT_EQ(steerings[2].named_weights().at("b"), 0.75);
  EXPECT_EQ(steerings[3].preset(), "concise");
  EXPECT_EQ(Label(steerings[1]), "weights 0.5,0.5");
  EXPECT_EQ(Label(steerings[2]), "a=0.25,b=0.75");
}

TEST(SteeringFlagsTest, OneAlphaGoesToAllAndSeveralPairUpOrSpread) {
  ASSERT_OK_AND_ASSIGN(const auto one, ParseSteering("--weights 1,0 --weights 0,1 --alpha 0.5"));
  EXPECT_EQ(one[0].alpha(), 0.5);
  EXPECT_EQ(one[1].alpha(), 0.5);
  ASSERT_OK_AND_ASSIGN(const auto pairs, ParseSteering("--weights 1,0 --weights 0,1 --alpha 0.5 --alpha 1"));
  EXPECT_EQ(pairs[0].alpha(), 0.5);
  EXPECT_EQ(pairs[1].alpha(), 1.0);
  ASSERT_OK_AND_ASSIGN(const auto spread, ParseSteering("--weights 1,0 --alpha 0.1 --alpha 0.5 --alpha 1"));
  ASSERT_EQ(spread.size(), 3u);
  EXPECT_EQ(spread[2].alpha(), 1.0);
  EXPECT_THAT(spread[2].weights(), testing::ElementsAre(1.0, 0.0));
  EXPECT_THAT(ParseSteering("--weights 1,0 --weights 0,1 --alpha 0.5 --alpha 1 --alpha 1"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("3 times for 2 weightings")));
}

TEST(SteeringFlagsTest, RefusesTextThatIsNoWeighting) {
  for (const char* line : {"--weights 1,x", "--weights 1,,0", "--named a", "--named =1", "--named a=1,a=0"}) {
    EXPECT_THAT(ParseSteering(line), StatusIs(absl::StatusCode::kInvalidArgument)) << line;
  }
}

TEST(GenerationFlagsTest, SetsOnlyWhatIsGiven) {
  CLI::App app;
  v1::GenerationOptions options;
  AddGenerationFlags(app, &options);
  app.parse("--max-new-tokens 7 --temperature 0.5 --seed 18446744073709551615 --log-probs");
  EXPECT_EQ(options.max_new_tokens(), 7);
  EXPECT_EQ(options.temperature(), 0.5f);
  EXPECT_EQ(options.seed(), 18446744073709551615u);
  EXPECT_TRUE(options.log_probs());
  EXPECT_FALSE(options.has_num_beams());
  EXPECT_FALSE(options.has_top_p());
}

TEST(GenerationFlagsTest, OfflineTakesTheCheckpointsDefaults) {
  const GenerationDefaults defaults{
      .max_new_tokens = 30, .num_beams = 4, .length_penalty = 2.0f, .no_repeat_ngram_size = 3};
  ASSERT_OK_AND_ASSIGN(const GenerationOptions options, GenerationOffline({}, defaults, 100));
  EXPECT_EQ(options.max_new_tokens, 30);
  EXPECT_EQ(options.num_beams, 4);
  EXPECT_EQ(options.length_penalty, 2.0f);
  EXPECT_EQ(options.no_repeat_ngram_size, 3);
  v1::GenerationOptions asked;
  asked.set_temperature(1.0f);
  ASSERT_OK_AND_ASSIGN(const GenerationOptions sampling, GenerationOffline(asked, defaults, 100));
  EXPECT_EQ(sampling.num_beams, 1);
  asked.set_top_k(101);
  EXPECT_THAT(GenerationOffline(asked, defaults, 100),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("top_k")));
}

TEST(RecordsTest, WrapsTextAtTheWidth) {
  EXPECT_EQ(Wrapped("one two three four", 11), "  one two\n  three\n  four\n");
  EXPECT_EQ(Wrapped("", 10), "  \n");
}

TEST(RecordsTest, AnOfflineRecordSaysNothingOfAServer) {
  v1::SummarizeResponse reply;
  reply.set_summary("say \"so\"");
  reply.mutable_weighting()->set_alpha(0.5);
  reply.mutable_weighting()->add_coefficients(1.0f);
  reply.add_token_ids(5);
  const auto record = nlohmann::json::parse(JsonRecord("7", reply));
  EXPECT_EQ(record["id"], "7");
  EXPECT_EQ(record["summary"], "say \"so\"");
  EXPECT_EQ(record["token_ids"], nlohmann::json::array({5}));
  EXPECT_FALSE(record.contains("cache"));
  EXPECT_FALSE(record.contains("seconds"));
  EXPECT_FALSE(record.contains("parameter_digest"));
}

}  // namespace
}  // namespace trimtab
