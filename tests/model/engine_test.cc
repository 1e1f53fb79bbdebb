// Continuous batching: whatever else is in the batch, a request gets what it gets alone.
#include "model/engine.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "model/scoring.h"
#include "tests/testing/devices.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {
namespace {

class EngineTest : public testing::Test {
 protected:
  static constexpr int kMixtures = 5;

  void SetUp() override { Load(Precision::kFloat32); }

  void Load(Precision precision) {
    ASSERT_OK(MakeTinyClp(folder_.path()));
    ASSERT_OK_AND_ASSIGN(Checkpoint checkpoint, OpenCheckpoint(folder_.path()));
    ASSERT_OK_AND_ASSIGN(parameters_, Parameters::Create(checkpoint, backend_.get(), precision));
    for (int i = 0; i < kMixtures; ++i) {
      const double w = i / (kMixtures - 1.0);
      ASSERT_OK_AND_ASSIGN(const Weighting weighting,
                           Weighting::Create(parameters_->clp().mixing, 2, 0.1 + 0.2 * i, {w, 1.0 - w}));
      const Coefficients c = Coefficients::From(parameters_->clp().mixing, weighting, {});
      ASSERT_OK_AND_ASSIGN(std::shared_ptr<const MixedWeights> mixed,
                           MixedWeights::Mix(parameters_, c, backend_.get()));
      mixtures_.push_back(std::move(mixed));
    }
    Restart({.max_rows = 16, .max_input_tokens = 64, .max_new_tokens = 24, .max_encode_tokens = 100});
  }

  void Restart(const EngineOptions& options) {
    ASSERT_OK_AND_ASSIGN(engine_, NewEngine(parameters_->config(), options, backend_.get()));
  }

  EngineRequest Request(uint64_t id, int mixture, int length) const {
    std::mt19937_64 generator(id);
    std::vector<int32_t> ids(length);
    for (int32_t& token : ids) token = static_cast<int32_t>(3 + generator() % 190);
    GenerationOptions options;
    options.max_new_tokens = 20;
    options.min_new_tokens = 8;  // Random models may end at once; these are to write something.
    return {id, ids, mixtures_[mixture], options};
  }

  // A mix of greedy, sampling and beam requests over all mixtures.
  std::vector<EngineRequest> ManyRequests(int count) const {
    std::vector<EngineRequest> requests;
    for (int i = 0; i < count; ++i) {
      EngineRequest request = Request(i + 1, i % kMixtures, 1 + 13 * i % 60);
      request.options.log_probs = i % 2 == 0;
      if (i % 3 == 1) request.options.temperature = 1.0f;
      if (i % 3 == 1) request.options.seed = i;
      if (i % 3 == 2) request.options.num_beams = 2 + i % 3;
      requests.push_back(std::move(request));
    }
    return requests;
  }

  TempDir folder_;
  std::unique_ptr<Backend> backend_ = NewBackend(TestDevice(), 2).value();
  std::shared_ptr<const Parameters> parameters_;
  std::vector<std::shared_ptr<const MixedWeights>> mixtures_;
  std::unique_ptr<Engine> engine_;
};

void ExpectSame(const Generation& a, const Generation& b) {
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(a.log_probs, b.log_probs);  // Bit for bit.
  EXPECT_EQ(a.score, b.score);
  EXPECT_EQ(a.finish_reason, b.finish_reason);
}

class EnginePrecisionTest : public EngineTest, public testing::WithParamInterface<Precision> {
 protected:
  void SetUp() override { Load(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Precisions, EnginePrecisionTest,
                         testing::Values(Precision::kFloat32, Precision::kBfloat16, Precision::kInt8),
                         [](const auto& info) { return std::string(PrecisionName(info.param)); });

TEST_P(EnginePrecisionTest, EveryRequestGetsTheSameBitsAloneAndInAnyBatch) {
  const std::vector<EngineRequest> requests = ManyRequests(Fewer(64, 6));
  std::map<uint64_t, Generation> alone;
  for (const EngineRequest& request : requests) {
    ASSERT_OK_AND_ASSIGN(alone[request.id], Generate(*engine_, request));
  }
  std::map<uint64_t, Generation> together;
  std::vector<EngineEvent> events;
  size_t next = 0;
  int32_t most_lanes = 0;
  while (together.size() < requests.size()) {
    // One arrival a step, as long as there is room: requests join and leave at different times.
    if (next < requests.size() && engine_->free_rows() >= requests[next].options.num_beams) {
      ASSERT_OK(engine_->Admit(requests[next++]));
    }
    events.clear();
    most_lanes = std::max(most_lanes, engine_->Step(&events).lanes);
    for (EngineEvent& event : events) {
      if (event.kind == EngineEvent::Kind::kFinished) together[event.id] = std::move(event.generation);
    }
  }
  EXPECT_GT(most_lanes, 2) << "the batch never held several mixtures: the test shows nothing";
  for (const EngineRequest& request : requests) ExpectSame(together[request.id], alone[request.id]);
}

// Articles that hold what the model writes, so that guesses come true; and guesses that never do.
TEST_P(EnginePrecisionTest, DraftsChangeTheNumberOfStepsAndNoBit) {
  std::vector<EngineRequest> requests = ManyRequests(48);
  std::map<uint64_t, Generation> plain;
  for (EngineRequest& request : requests) {
    ASSERT_OK_AND_ASSIGN(Generation first, Generate(*engine_, request));
    // Feeding the output back in gives texts that share stretches with their article, by the model's own habits.
    for (int round = 0; round < 3; ++round) {
      request.input_ids.insert(request.input_ids.begin(), first.tokens.begin(), first.tokens.end());
      request.input_ids.resize(std::min<size_t>(request.input_ids.size(), 64));
      ASSERT_OK_AND_ASSIGN(first, Generate(*engine_, request));
    }
    plain[request.id] = std::move(first);
  }
  const EngineOptions limits{
      .max_rows = 16, .max_input_tokens = 64, .max_new_tokens = 24, .max_encode_tokens = 100, .max_draft_tokens = 5};
  Restart(limits);
  int accepted = 0, rejected = 0;
  size_t next = 0, done = 0;
  std::vector<EngineEvent> events;
  std::map<uint64_t, std::vector<int32_t>> streamed;
  while (done < requests.size()) {
    while (next < requests.size() && engine_->free_rows() >= requests[next].options.num_beams && next < done + 4) {
      ASSERT_OK(engine_->Admit(requests[next++]));
    }
    events.clear();
    const StepStats stats = engine_->Step(&events);
    accepted += stats.draft_accepted;
    rejected += stats.draft_tokens - stats.draft_accepted;
    for (EngineEvent& event : events) {
      if (event.kind == EngineEvent::Kind::kToken) streamed[event.id].push_back(event.token);
      if (event.kind != EngineEvent::Kind::kFinished) continue;
      ++done;
      ExpectSame(event.generation, plain[event.id]);
      if (requests[event.id - 1].options.num_beams > 1) continue;
      EXPECT_EQ(streamed[event.id], plain[event.id].tokens);
    }
  }
  EXPECT_GT(accepted, 20) << "no guess came true: the test shows nothing";
  EXPECT_GT(rejected, 20) << "no guess was wrong: the test shows nothing";
}

TEST_F(EngineTest, AnArrivingArticleIsEncodedInHalvesOfLayersWhileOthersDecode) {
  Restart({.max_rows = 16,
           .max_input_tokens = 64,
           .max_new_tokens = 24,
           .max_encode_tokens = 100,
           .max_stall = 0.0});  // How long a step took does not matter then.
  ASSERT_OK(engine_->Admit(Request(1, 0, 10)));
  std::vector<EngineEvent> events;
  const int stages = 2 * parameters_->config().encoder_layers + parameters_->config().decoder_layers;
  for (int i = 0; i < stages; ++i) engine_->Step(&events);
  ASSERT_OK(engine_->Admit(Request(2, 1, 50)));
  events.clear();
  for (int i = 0; i < stages - 1; ++i) {
    const StepStats stats = engine_->Step(&events);
    EXPECT_EQ(stats.encode_tokens, 50);
    EXPECT_EQ(stats.decode_rows, 1) << "the running request stalled";
  }
  for (const EngineEvent& event : events) EXPECT_EQ(event.id, 1u);
}

TEST_F(EngineTest, TokensArriveOneByOneAndAddUpToTheGeneration) {
  ASSERT_OK(engine_->Admit(Request(1, 2, 12)));
  std::vector<int32_t> tokens;
  Generation generation;
  std::vector<EngineEvent> events;
  while (!engine_->idle()) {
    events.clear();
    engine_->Step(&events);
    for (EngineEvent& event : events) {
      if (event.kind == EngineEvent::Kind::kToken) tokens.push_back(event.token);
      if (event.kind == EngineEvent::Kind::kFinished) generation = std::move(event.generation);
    }
  }
  EXPECT_EQ(tokens, generation.tokens);
  EXPECT_GE(tokens.size(), 8u);
}

TEST_F(EngineTest, GreedyTokensAreTheLikeliestUnderTeacherForcing) {
  EngineRequest request = Request(1, 3, 30);
  request.options.log_probs = true;
  const std::vector<int32_t> input = request.input_ids;
  ASSERT_OK_AND_ASSIGN(const Generation generation, Generate(*engine_, std::move(request)));
  std::vector<int32_t> fed = {parameters_->config().decoder_start_id};
  fed.insert(fed.end(), generation.tokens.begin(), generation.tokens.end() - 1);
  ASSERT_OK_AND_ASSIGN(const std::vector<float> logits, TeacherForcedLogits(*mixtures_[3], input, fed, backend_.get()));
  const int64_t vocab = parameters_->config().vocab_size;
  for (size_t t = 0; t < fed.size(); ++t) {
    double sum = 0.0;
    for (int64_t i = 0; i < vocab; ++i) sum += std::exp(double{logits[t * vocab + i]});
    const int32_t token = generation.tokens[t];
    EXPECT_NEAR(generation.log_probs[t], logits[t * vocab + token] - std::log(sum), 1e-4) << "step " << t;
    for (int64_t i = 0; i < vocab; ++i) {
      if (i == parameters_->config().eos_id && t < 8) continue;  // Kept out by min_new_tokens.
      EXPECT_LE(logits[t * vocab + i], logits[t * vocab + token]) << "step " << t << " token " << i;
    }
  }
}

TEST_F(EngineTest, ACancelledRequestIsNeverHeardOfAgainAndFreesItsRows) {
  for (int steps = 0; steps < 12; steps += Fewer(1, 5)) {
    EngineRequest stays = Request(1, 0, 20), goes = Request(2, 1, 20);
    goes.options.num_beams = 3;
    ASSERT_OK_AND_ASSIGN(const Generation expected, Generate(*engine_, Request(1, 0, 20)));
    const int32_t rows = engine_->free_rows();
    ASSERT_OK(engine_->Admit(stays));
    ASSERT_OK(engine_->Admit(goes));
    std::vector<EngineEvent> events;
    for (int i = 0; i < steps; ++i) engine_->Step(&events);
    engine_->Cancel(2);
    engine_->Cancel(77);  // Unknown: nothing happens.
    EXPECT_EQ(engine_->free_rows(), rows - 1);
    events.clear();
    while (!engine_->idle()) engine_->Step(&events);
    for (const EngineEvent& event : events) EXPECT_EQ(event.id, 1u);
    ASSERT_FALSE(events.empty());
    EXPECT_EQ(events.back().generation.tokens, expected.tokens) << "cancelled after " << steps << " steps";
    EXPECT_EQ(engine_->free_rows(), rows);
  }
}

TEST_F(EngineTest, RefusesWhatIsBeyondItsLimits) {
  EXPECT_THAT(engine_->Admit(Request(1, 0, 65)), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(engine_->Admit(Request(1, 0, 0)), StatusIs(absl::StatusCode::kInvalidArgument));
  EngineRequest request = Request(1, 0, 5);
  request.input_ids[2] = parameters_->config().vocab_size;
  EXPECT_THAT(engine_->Admit(request), StatusIs(absl::StatusCode::kInvalidArgument));
  request = Request(1, 0, 5);
  request.options.max_new_tokens = 25;
  EXPECT_THAT(engine_->Admit(request), StatusIs(absl::StatusCode::kInvalidArgument));
  Restart({.max_rows = 3, .max_input_tokens = 64, .max_new_tokens = 24, .max_encode_tokens = 100});
  request = Request(1, 0, 5);
  request.options.num_beams = 4;
  EXPECT_THAT(engine_->Admit(request), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(engine_->free_rows(), 3);
  EXPECT_TRUE(engine_->idle());
}

}  // namespace
}  // namespace trimtab
