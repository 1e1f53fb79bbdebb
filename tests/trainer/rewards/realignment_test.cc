// Decoding-time realignment: what it equals at both ends and between, and what `evaluate` says of it.
#include "trainer/rewards/realignment.h"

#include <cmath>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/checkpoint.h"
#include "model/mapped_file.h"
#include "model/tokenizer.h"
#include "nlohmann/json.hpp"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"
#include "trainer/commands/command.h"
#include "trainer/step_random.h"

namespace trimtab {
namespace {

using ::testing::HasSubstr;

constexpr int32_t kNewTokens = 8;

class RealignmentTest : public testing::Test {
 protected:
  // The policy's shared tensors are not its reference's, as after training.
  void Make(TinyOptions tiny) {
    tiny.seed = 2;
    ASSERT_OK(MakeTinyClp(files_.File("policy"), tiny));
    tiny.seed = 1;
    ASSERT_OK(MakeTinyT5(files_.File("reference"), tiny));
    options_.model = files_.File("policy");
    options_.reference = files_.File("reference");
    options_.rollouts = {.threads = 1, .batch = 3, .max_input_tokens = 32, .max_new_tokens = kNewTokens};
    options_.realign = true;
    generation_.set_max_new_tokens(kNewTokens);
  }
  // Its two ends, by other means.
  void Load() {
    ASSERT_OK_AND_ASSIGN(checkpoint_, OpenCheckpoint(options_.model));
    ASSERT_OK_AND_ASSIGN(const Checkpoint reference, OpenCheckpoint(options_.reference));
    ASSERT_OK_AND_ASSIGN(reference_, PackPlain(reference, backend_.get()));
    ASSERT_OK_AND_ASSIGN(const auto parameters, Parameters::Create(checkpoint_, backend_.get()));
    const MixingRule& rule = checkpoint_.clp.mixing;
    ASSERT_OK_AND_ASSIGN(const Weighting least, Weighting::Create(rule, 2, rule.alpha_min, {0.25, 0.75}));
    ASSERT_OK_AND_ASSIGN(policy_, MixedWeights::Mix(parameters, Coefficients::From(rule, least, {}), backend_.get()));
  }

  struct Expected {
    std::vector<std::string> greedy;
    Samples sampled;
  };
  // What an engine writes when it mixes these.
  Expected Mixed(const std::vector<LogitExpert>& experts) const {
    const auto tokenizer = Tokenizer::Create(checkpoint_.tokenizer_model, checkpoint_.config.vocab_size).value();
    const EngineOptions limits{.max_rows = 2, .max_input_tokens = 32, .max_new_tokens = kNewTokens};
    const auto engine = NewEngine(checkpoint_.config, limits, backend_.get()).value();
    Expected expected;
    for (size_t i = 0; i < examples_.size(); ++i) {
      EngineRequest request;
      request.experts = experts;
      request.input_ids =
          *tokenizer->Encode(absl::StrCat(checkpoint_.clp.task_prefix, examples_[i].document), 1, 32, nullptr);
      request.options.max_new_tokens = kNewTokens;
      expected.greedy.push_back(tokenizer->Decode(Generate(*engine, request)->tokens));
      request.options.temperature = 1.0f;
      request.options.seed = StepSeed(options_.seed, Chance::kRollout, 0, i);
      request.options.log_probs = true;
      const std::vector<Generation> sampled = {Generate(*engine, request).value()};
      const double by_reference =
          SequenceLogProbs(*reference_, std::vector<std::vector<int32_t>>{request.input_ids}, sampled, backend_.get())
              .value()[0];
      const std::vector<float>& own = sampled[0].log_probs;
      expected.sampled.summaries.push_back(tokenizer->Decode(sampled[0].tokens));
      expected.sampled.log_ratios.push_back(std::accumulate(own.begin(), own.end(), 0.0) - by_reference);
    }
    return expected;
  }

  void ExpectAt(double alpha, const std::vector<LogitExpert>& experts) {
    const Expected expected = Mixed(experts);
    ASSERT_OK_AND_ASSIGN(PolicySamples realigned, PolicySamples::Open(options_));
    ASSERT_OK_AND_ASSIGN(const Weighting weighting,
                         Weighting::Create(RealignedRule(checkpoint_.clp.mixing), 2, alpha, {0.25, 0.75}));
    ASSERT_OK_AND_ASSIGN(const auto greedy, realigned.Write(examples_, weighting, generation_));
    EXPECT_EQ(greedy, expected.greedy);
    ASSERT_OK_AND_ASSIGN(const Samples sampled, realigned.Draw(examples_, weighting));
    EXPECT_EQ(sampled.summaries, expected.sampled.summaries);
    EXPECT_EQ(sampled.log_ratios, expected.sampled.log_ratios);
  }

  TempDir files_;
  PolicySamplesOptions options_;
  v1::GenerationOptions generation_;
  const std::vector<Example> examples_ = {{"a", "text of sails", "sails", "a"},
                                          {"b", "another text", "text", "b"},
                                          {"c", "words and more words of it", "words", "c"}};
  std::unique_ptr<Backend> backend_ = NewBackend("cpu", 1).value();
  Checkpoint checkpoint_;
  std::shared_ptr<const MixedWeights> policy_, reference_;
};

// Eq. 4 at alpha 0.3 and alpha_min 0.1, on the grid of coefficients.
const float kBetween = static_cast<float>(std::ldexp(std::round(std::ldexp(0.2 / (0.3 * 0.9), 20)), -20));

TEST_F(RealignmentTest, AtAlphaOneItHasTheBitsOfTheReference) {
  ASSERT_NO_FATAL_FAILURE(Make({}));
  ASSERT_NO_FATAL_FAILURE(Load());
  ExpectAt(1.0, {{reference_}});
  for (const double log_ratio : Mixed({{reference_}}).sampled.log_ratios) EXPECT_NEAR(log_ratio, 0.0, 1e-4);
}

TEST_F(RealignmentTest, AtAlphaMinItHasTheBitsOfThePolicy) {
  ASSERT_NO_FATAL_FAILURE(Make({}));
  ASSERT_NO_FATAL_FAILURE(Load());
  ExpectAt(0.1, {{policy_}});
}

TEST_F(RealignmentTest, BetweenTheEngineMixesBothByEquationFour) {
  ASSERT_NO_FATAL_FAILURE(Make({}));
  ASSERT_NO_FATAL_FAILURE(Load());
  ExpectAt(0.3, {{policy_, 1.0f - kBetween}, {reference_, kBetween}});
}

TEST_F(RealignmentTest, APolicyThatWasTrainedAtOneAlphaIsRealignedAlike) {
  TinyOptions tiny;
  tiny.mixing = {MixingKind::kFixed, 0.1};
  ASSERT_NO_FATAL_FAILURE(Make(tiny));
  ASSERT_NO_FATAL_FAILURE(Load());
  ExpectAt(0.3, {{policy_, 1.0f - kBetween}, {reference_, kBetween}});
}

TEST_F(RealignmentTest, ABatchWithoutRoomForBothModelsIsRefused) {
  ASSERT_NO_FATAL_FAILURE(Make({}));
  options_.rollouts.batch = 1;
  ASSERT_OK_AND_ASSIGN(PolicySamples realigned, PolicySamples::Open(options_));
  ASSERT_OK_AND_ASSIGN(const Weighting between, Weighting::Create({MixingKind::kSoftmdp, 0.1}, 2, 0.3, {0.25, 0.75}));
  EXPECT_THAT(realigned.Write(examples_, between, generation_).status(),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("needs 2 rows")));
}

TEST_F(RealignmentTest, APolicyThatReadsItsWeightsIsRefused) {
  TinyOptions tiny;
  tiny.prompt_conditioning = true;
  ASSERT_NO_FATAL_FAILURE(Make(tiny));
  EXPECT_THAT(PolicySamples::Open(options_).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("weights in the prompt")));
}

class RealignedEvaluationTest : public RealignmentTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(Make({}));
    const std::string clp = files_.File("policy/clp.json");
    ASSERT_OK_AND_ASSIGN(ClpConfig config, ParseClpConfig(*ReadSmallFile(clp, 1 << 20)));
    config.rewards[0].score = "words";
    config.rewards[1].score = "rouge_lsum";
    WriteText(clp, ClpConfigToJson(config));
    std::string lines;
    for (const Example& example : examples_) {
      absl::StrAppend(&lines, nlohmann::json{{"document", example.document}, {"summary", example.summary}}.dump(),
                      "\n");
    }
    WriteText(files_.File("corpus.jsonl"), lines);
  }
  static void WriteText(const std::string& path, const std::string& text) {
    ASSERT_OK(WriteFileAtomically(path, std::as_bytes(std::span(text))));
  }

  // The lines `evaluate` prints at alpha 0.1, 0.3 and 1.
  std::vector<nlohmann::json> Evaluate(const std::string& flags) const {
    CLI::App app;
    Chosen chosen;
    AddEvaluate(app, &chosen);
    app.parse(absl::StrCat("evaluate --model ", options_.model, " --reference ", options_.reference, " --corpus ",
                           files_.File("corpus.jsonl"), " --weights 0.25,0.75 --alpha 0.1 --alpha 0.3 --alpha 1 ",
                           "--max-new-tokens 8 --max-input-tokens 32 --threads 1 --json --per-article ", flags));
    testing::internal::CaptureStdout();
    EXPECT_OK(chosen());
    std::vector<nlohmann::json> parsed;
    for (const auto line : absl::StrSplit(testing::internal::GetCapturedStdout(), '\n', absl::SkipEmpty())) {
      parsed.push_back(nlohmann::json::parse(std::string(line)));
    }
    return parsed;
  }
};

TEST_F(RealignedEvaluationTest, AlphasGoFromThePolicyToTheReference) {
  const auto realigned = Evaluate("--realign"), mixed = Evaluate("");
  ASSERT_EQ(realigned.size(), 3u);
  ASSERT_EQ(mixed.size(), 3u);
  EXPECT_EQ(realigned[0], mixed[0]);
  EXPECT_EQ(realigned[1]["alpha"], 0.3);
  EXPECT_NE(realigned[1]["sampled"], mixed[1]["sampled"]);
  // Mixed parameters keep the shared tensors that training moved.
  EXPECT_NEAR(realigned[2]["sampled"]["kl"].get<double>(), 0.0, 1e-4);
  EXPECT_GT(std::abs(mixed[2]["sampled"]["kl"].get<double>()), 1e-2);
}

}  // namespace
}  // namespace trimtab
