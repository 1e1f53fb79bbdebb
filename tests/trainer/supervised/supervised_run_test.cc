#include "trainer/supervised/supervised_run.h"

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/mapped_file.h"
#include "model/rewards/reward_model.h"
#include "model/tokenizer.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"
#include "trainer/supervised/copy_start.h"
#include "trainer/supervised/matching_start.h"
#include "trainer/supervised/plain_folder.h"

namespace trimtab {
namespace {

using ::testing::HasSubstr;

std::vector<Example> Examples() {
  std::vector<Example> examples;
  for (int i = 0; i < 24; ++i) {
    examples.push_back(
        {absl::StrCat(i), absl::StrCat("text ", i, " of sails and words"), absl::StrCat("sails ", i), ""});
  }
  return examples;
}

class SupervisedRunTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(MakeTinyT5(dir_.File("start")));
    options_.steps = 12;
    options_.batch_size = 8;
    options_.learning_rate = 0.05;
    options_.warmup_steps = 0;
    options_.evaluate_every = options_.checkpoint_every = 5;
  }

  // Trains `out` to the end.
  absl::StatusOr<Progress> Train(const std::string& out, const SupervisedOptions& options) {
    auto start = StartFrom(dir_.File("start"), dir_.File(out));
    if (!start.ok()) return start.status();
    const T5Config& config = start->checkpoint.config;
    const auto tokenizer = *Tokenizer::Create(start->checkpoint.tokenizer_model, config.vocab_size);
    const auto task = *NewSummaryTask(Examples(), *tokenizer, config, {});
    auto end = RunSupervised(config, options, *task, *task, StateFile(dir_.File(out)), start->weights,
                             [this](const Progress& progress) {
                               reports_.push_back(progress);
                               if (on_report_) on_report_(progress);
                             });
    if (!end.ok()) return end;
    if (const auto written = WriteWeights(start->weights, dir_.File(out)); !written.ok()) return written;
    return end;
  }

  std::string Weights(const std::string& out) {
    return *ReadSmallFile(absl::StrCat(dir_.File(out), "/model.safetensors"), 1 << 24);
  }

  TempDir dir_;
  SupervisedOptions options_;
  std::vector<Progress> reports_;
  std::function<void(const Progress&)> on_report_;
};

TEST_F(SupervisedRunTest, LearnsAndWritesAFolderThatLoads) {
  options_.steps = 60;
  ASSERT_OK_AND_ASSIGN(const Progress end, Train("out", options_));
  EXPECT_EQ(end.step, 60);
  ASSERT_GE(reports_.size(), 2u);
  EXPECT_LT(end.held_out, 0.8 * reports_.front().held_out);
  ASSERT_OK(OpenCheckpoint(dir_.File("out")));
}

TEST_F(SupervisedRunTest, ARunThatWasCutOffGoesOnBitByBit) {
  options_.dropout = 0.1;
  ASSERT_OK(Train("whole", options_));
  // What a kill after step 10 leaves: the state of that step, and no later one.
  const std::string state = StateFile(dir_.File("early"));
  on_report_ = [&](const Progress& progress) {
    if (progress.step == 10) std::filesystem::copy_file(state, dir_.File("step10"));
  };
  ASSERT_OK(Train("early", options_));
  on_report_ = nullptr;
  std::filesystem::create_directory(dir_.File("resumed"));
  std::filesystem::copy_file(dir_.File("step10"), StateFile(dir_.File("resumed")));
  reports_.clear();
  ASSERT_OK(Train("resumed", options_));
  EXPECT_EQ(reports_.size(), 1u);  // Of the last step: the first ten were not done again.
  EXPECT_EQ(Weights("resumed"), Weights("whole"));
}

TEST_F(SupervisedRunTest, AStateOfOtherSettingsIsRefused) {
  ASSERT_OK(Train("out", options_));
  options_.learning_rate = 0.1;
  EXPECT_THAT(Train("out", options_), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("was begun with")));
}

TEST_F(SupervisedRunTest, ConsistencyAndQualityAreLearnedAndTheEngineScoresThem) {
  auto start = *StartFrom(dir_.File("start"), dir_.File("judge"));
  const T5Config& config = start.checkpoint.config;
  const auto tokenizer = *Tokenizer::Create(start.checkpoint.tokenizer_model, config.vocab_size);
  std::vector<Judgement> judgements;
  std::vector<Preference> preferences;
  for (int i = 0; i < 16; ++i) {
    const std::string document = absl::StrCat("text ", i, " of sails");
    judgements.push_back({"", document, i % 2 == 0 ? "sails" : "words", i % 2 == 0, ""});
    preferences.push_back({"", document, "sails", "words", ""});
  }
  options_.steps = 150;
  RewardModelConfig reward{.output = RewardOutput::kLogit};
  const auto quality = *NewQualityTask(preferences, *tokenizer, config, reward);
  ASSERT_OK_AND_ASSIGN(const Progress liked, RunSupervised(config, options_, *quality, *quality, dir_.File("state"),
                                                           start.weights, [](const Progress&) {}));
  EXPECT_EQ(liked.accuracy, 1.0);
  EXPECT_LT(liked.held_out, 0.5);

  auto judge = *StartFrom(dir_.File("start"), dir_.File("judge"));
  reward.output = RewardOutput::kLogProbability;
  const auto consistency = *NewConsistencyTask(judgements, *tokenizer, config, reward);
  ASSERT_OK_AND_ASSIGN(const Progress told, RunSupervised(config, options_, *consistency, *consistency,
                                                          dir_.File("state2"), judge.weights, [](const Progress&) {}));
  EXPECT_EQ(told.accuracy, 1.0);

  ASSERT_OK(WriteWeights(judge.weights, dir_.File("judge")));
  const std::string text = RewardModelConfigToJson(reward);
  ASSERT_OK(WriteFileAtomically(dir_.File("judge/reward_model.json"),
                                std::as_bytes(std::span<const char>(text.data(), text.size()))));
  ASSERT_OK_AND_ASSIGN(const auto engine, RewardModel::Load("nli", dir_.File("judge"), 1));
  const std::vector<ScoredText> texts = {{"text 0 of sails", "sails", ""}, {"text 0 of sails", "words", ""}};
  ASSERT_OK_AND_ASSIGN(const auto scores, engine->ScoreAll(texts));
  EXPECT_GT(scores[0][0], scores[1][0]);
  // What training computes is what the engine scores.
  const BatchLoss first = consistency->Loss(T5(config), judge.weights, std::vector<size_t>{0});
  EXPECT_NEAR(-first.sum.item<double>(), scores[0][0], 1e-4);
}

TEST(CopyStartTest, AFreshModelContinuesWhatItsInputSays) {
  TempDir dir;
  const std::string tokenizer = TinyTokenizerModel();
  ASSERT_OK(WriteFileAtomically(dir.File("spiece.model"),
                                std::as_bytes(std::span<const char>(tokenizer.data(), tokenizer.size()))));
  ASSERT_OK_AND_ASSIGN(const Start start, StartFromNothing({.d_model = 128, .heads = 4, .d_ff = 64, .layers = 2},
                                                           dir.File("spiece.model"), 1, dir.File("out")));
  const T5 t5(start.checkpoint.config);
  const std::vector<std::vector<int32_t>> inputs = {{20, 57, 33, 91, 140, 66, 72, 1}};
  const TokenBatch batch = PadTokens(inputs, 0);
  const torch::NoGradGuard no_gradients;
  const torch::Tensor encoded = t5.Encode(start.weights, batch);
  const torch::Tensor decoder = torch::tensor(std::vector<int64_t>{57, 33, 91, 140}).unsqueeze(0);
  const torch::Tensor logits = t5.Logits(start.weights, t5.Decode(start.weights, encoded, batch.mask, decoder));
  EXPECT_TRUE(torch::equal(logits.argmax(-1), torch::tensor(std::vector<int64_t>{33, 91, 140, 66}).unsqueeze(0)));
}

TEST(CopyStartTest, HeadsThatDoNotFillTheModelAreRefused) {
  T5Config config;
  config.d_model = 16;
  config.num_heads = 2;
  config.d_kv = 6;
  NamedTensors weights;
  EXPECT_THAT(StartByCopying(config, 1, weights), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("12")));
}

TEST(MatchingStartTest, TheEncoderTellsTokensThatOccurTwiceByOneDirectionForAll) {
  TempDir dir;
  const std::string tokenizer = TinyTokenizerModel();
  ASSERT_OK(WriteFileAtomically(dir.File("spiece.model"),
                                std::as_bytes(std::span<const char>(tokenizer.data(), tokenizer.size()))));
  ASSERT_OK_AND_ASSIGN(Start start, StartFromNothing({.d_model = 128, .heads = 2, .d_ff = 256, .layers = 1},
                                                     dir.File("spiece.model"), 1, dir.File("out")));
  ASSERT_OK(StartByMatching(start.checkpoint.config, 1, start.weights));
  const T5 t5(start.checkpoint.config);
  const torch::NoGradGuard no_gradients;
  // Of each the second half comes twice, with other tokens in each text.
  const std::vector<std::vector<int32_t>> texts = {{20, 57, 33, 91, 66, 72, 45, 38, 72, 45, 66, 38},
                                                   {21, 58, 34, 92, 67, 73, 46, 39, 73, 39, 46, 67}};
  const torch::Tensor encoded = t5.Encode(start.weights, PadTokens(texts, 0));
  const torch::Tensor direction = encoded[0].slice(0, 4).mean(0) - encoded[0].slice(0, 0, 4).mean(0);
  const torch::Tensor along = torch::matmul(encoded[1], direction);
  EXPECT_GT(along.slice(0, 4).min().item<double>(), along.slice(0, 0, 4).max().item<double>());
}

TEST(MatchingStartTest, LayersThatCannotCompareAreRefused) {
  T5Config config;
  config.d_model = 16;
  config.num_heads = 2;
  config.d_kv = 8;
  config.d_ff = 64;
  config.gated = false;
  NamedTensors weights;
  EXPECT_THAT(StartByMatching(config, 1, weights),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not gated")));
}

}  // namespace
}  // namespace trimtab
