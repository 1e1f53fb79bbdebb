#include "model/rewards/reward_model.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/checkpoint.h"
#include "model/scoring.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kArticle[] = "the sails are trimmed by the crew";
constexpr char kSummary[] = "trimmed sails";

class RewardModelTest : public testing::Test {
 protected:
  void Make(const std::string& name, const RewardModelConfig& config) {
    const std::string folder = Folder(name);
    std::filesystem::create_directories(folder);
    ASSERT_OK(MakeTinyT5(folder));
    std::ofstream(absl::StrCat(folder, "/", kRewardModelFile)) << RewardModelConfigToJson(config);
  }

  std::string Folder(const std::string& name) const { return dir_.File(absl::StrCat("reward_models/", name)); }

  // The logits of the decoder's first step, the long way.
  std::vector<float> FirstLogits(const std::string& folder, const RewardModelConfig& config) {
    const Checkpoint checkpoint = *OpenCheckpoint(folder);
    const auto tokenizer = *Tokenizer::Create(checkpoint.tokenizer_model, checkpoint.config.vocab_size);
    const auto backend = *NewBackend("reference", 1);
    const auto parameters = *Parameters::Create(checkpoint, backend.get());
    const Weighting weighting = *Weighting::Create(parameters->clp().mixing, 0, 1.0, {});
    const auto weights =
        *MixedWeights::Mix(parameters, Coefficients::From(parameters->clp().mixing, weighting, {}), backend.get());
    const std::string text = absl::StrCat(config.article_prefix, kArticle, " ", config.summary_prefix, kSummary);
    const auto ids = *tokenizer->Encode(text, 1, 512, nullptr);
    const int32_t start = 0;
    return *TeacherForcedLogits(*weights, ids, {&start, 1}, backend.get());
  }

  TempDir dir_;
};

TEST_F(RewardModelTest, ConsistencyIsTheLogProbabilityOfItsToken) {
  const RewardModelConfig config{.token_id = 5};
  Make("nli", config);
  ASSERT_OK_AND_ASSIGN(const auto model, RewardModel::Load("nli", Folder("nli"), 1));
  EXPECT_THAT(model->names(), ElementsAre("nli"));
  EXPECT_FALSE(model->needs_reference());
  const ScoredText text{kArticle, kSummary, ""};
  ASSERT_OK_AND_ASSIGN(const auto scores, model->ScoreAll({&text, 1}));
  double sum = 0.0;
  const auto logits = FirstLogits(Folder("nli"), config);
  for (const float logit : logits) sum += std::exp(logit);
  EXPECT_NEAR(scores[0][0], logits[5] - std::log(sum), 1e-4);
}

TEST_F(RewardModelTest, QualityIsTheLogitOfItsToken) {
  const RewardModelConfig config{.output = RewardOutput::kLogit, .token_id = 3, .article_prefix = "article: "};
  Make("tldr", config);
  ASSERT_OK_AND_ASSIGN(const auto models, LoadRewardModels(dir_.path(), 1));
  ASSERT_EQ(models.size(), 1u);
  const ScoredText text{kArticle, kSummary, ""};
  ASSERT_OK_AND_ASSIGN(const auto scores, models[0]->ScoreAll({&text, 1}));
  EXPECT_NEAR(scores[0][0], FirstLogits(Folder("tldr"), config)[3], 1e-4);
}

TEST_F(RewardModelTest, ALongArticleLosesItsEndAndNeverTheSummary) {
  const RewardModelConfig config{.max_input_tokens = 32};
  const auto tokenizer = *Tokenizer::Create(TinyTokenizerModel(), 208);
  const std::string article(4000, 'a');
  ASSERT_OK_AND_ASSIGN(const auto ids, RewardModelInput(config, *tokenizer, 1, article, "bc"));
  EXPECT_EQ(ids.size(), 32u);
  ASSERT_OK_AND_ASSIGN(const auto tail, tokenizer->Encode("hypothesis: bc", 1, 100, nullptr));
  EXPECT_TRUE(std::equal(tail.rbegin(), tail.rend(), ids.rbegin()));
  ASSERT_OK_AND_ASSIGN(const auto both, RewardModelInput(config, *tokenizer, 1, article, article));
  EXPECT_EQ(both.size(), 32u);
}

TEST_F(RewardModelTest, ATextHasTheSameScoreAloneAmongOthersAndFromManyThreads) {
  Make("nli", {});
  ASSERT_OK_AND_ASSIGN(const auto model, RewardModel::Load("nli", Folder("nli"), 1));
  const std::vector<ScoredText> texts = {{kArticle, kSummary, ""}, {kSummary, kArticle, ""}};
  ASSERT_OK_AND_ASSIGN(const auto together, model->ScoreAll(texts));
  EXPECT_NE(together[0][0], together[1][0]);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] { EXPECT_EQ(model->ScoreAll({&texts[i % 2], 1}).value()[0], together[i % 2]); });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(RewardModelTest, WhatIsWrongWithAFolderIsSaid) {
  EXPECT_TRUE(LoadRewardModels(dir_.path(), 1)->empty());
  Make("NLI", {});
  EXPECT_THAT(LoadRewardModels(dir_.path(), 1),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("reward_models/NLI is not named by")));
  std::filesystem::remove_all(Folder("NLI"));
  Make("nli", {.token_id = 300});
  EXPECT_THAT(LoadRewardModels(dir_.path(), 1),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("reward_model.json: token_id is 300")));
  std::filesystem::remove(Folder("nli") + "/reward_model.json");
  EXPECT_THAT(LoadRewardModels(dir_.path(), 1), StatusIs(absl::StatusCode::kNotFound, HasSubstr("reward_model.json")));
}

TEST(RewardModelConfigTest, RoundTripsAndRefusesWhatItDoesNotKnow) {
  const RewardModelConfig config{.output = RewardOutput::kLogit,
                                 .token_id = 9,
                                 .article_prefix = "a: ",
                                 .summary_prefix = "s: ",
                                 .max_input_tokens = 64};
  ASSERT_OK_AND_ASSIGN(const auto again, ParseRewardModelConfig(RewardModelConfigToJson(config), 10));
  EXPECT_EQ(RewardModelConfigToJson(again), RewardModelConfigToJson(config));
  for (const char* text : {R"([])", R"({"format_version": 2, "output": "logit", "token_id": 3})",
                           R"({"format_version": 1, "token_id": 3})", R"({"format_version": 1, "output": "logit"})",
                           R"({"format_version": 1, "output": "logit", "token_id": 3, "other": 1})",
                           R"({"format_version": 1, "output": "logit", "token_id": 3, "max_input_tokens": 1})"}) {
    EXPECT_THAT(ParseRewardModelConfig(text, 10),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("reward_model.json")))
        << text;
  }
}

}  // namespace
}  // namespace trimtab
