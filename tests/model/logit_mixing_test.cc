// Requests whose logits are mixed: what they must equal, and that they disturb nobody.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/engine.h"
#include "tests/testing/devices.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {
namespace {

using ::testing::HasSubstr;

class LogitMixingTest : public testing::Test {
 protected:
  void Load(const std::string& variant) {
    TinyOptions options;
    options.variant = variant;
    options.tied = false;
    ASSERT_OK(MakeTinyClp(folder_.path(), options));
    ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, OpenCheckpoint(folder_.path()));
    ASSERT_OK_AND_ASSIGN(parameters_, Parameters::Create(checkpoint, backend_.get()));
    Restart(/*max_encode_tokens=*/80);
  }

  void Restart(int32_t max_encode_tokens) {
    const EngineOptions limits{.max_rows = 8,
                               .max_input_tokens = 32,
                               .max_new_tokens = 20,
                               .max_encode_tokens = max_encode_tokens,
                               .max_draft_tokens = 4};
    ASSERT_OK_AND_ASSIGN(engine_, NewEngine(parameters_->config(), limits, backend_.get()));
  }

  std::shared_ptr<const MixedWeights> Mixture(double alpha, double w) {
    const MixingRule& rule = parameters_->clp().mixing;
    const Weighting weighting = Weighting::Create(rule, 2, alpha, {w, 1.0 - w}).value();
    return MixedWeights::Mix(parameters_, Coefficients::From(rule, weighting, {}), backend_.get()).value();
  }

  EngineRequest Request(uint64_t id, std::shared_ptr<const MixedWeights> weights) const {
    EngineRequest request{id, std::vector<int32_t>(24), std::move(weights), {}};
    for (size_t i = 0; i < request.input_ids.size(); ++i)
      request.input_ids[i] = 3 + static_cast<int32_t>(id * 31 + i * 7) % 190;
    request.options.max_new_tokens = 16;
    request.options.min_new_tokens = 8;
    request.options.log_probs = true;
    return request;
  }
  EngineRequest Mixing(uint64_t id, std::vector<LogitExpert> experts) const {
    EngineRequest request = Request(id, nullptr);
    request.experts = std::move(experts);
    return request;
  }

  Generation Run(const EngineRequest& request) {
    absl::StatusOr<Generation> generation = Generate(*engine_, request);
    EXPECT_OK(generation);
    return std::move(generation).value_or(Generation());
  }

  TempDir folder_;
  std::unique_ptr<Backend> backend_ = NewBackend(TestDevice(), 2).value();
  std::shared_ptr<const Parameters> parameters_;
  std::unique_ptr<Engine> engine_;
};

void ExpectSame(const Generation& a, const Generation& b) {
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(a.log_probs, b.log_probs);
}

TEST_F(LogitMixingTest, TwoHalvesOfOneModelAreThatModel) {
  Load("full");
  const auto mixture = Mixture(0.3, 0.25);
  ExpectSame(Run(Mixing(1, {{mixture, 0.5f}, {mixture, 0.5f}})), Run(Request(1, mixture)));
}

TEST_F(LogitMixingTest, AnExpertWithAllTheWeightIsAlone) {
  Load("full");
  const auto first = Mixture(0.1, 1.0), second = Mixture(1.0, 0.5);
  ExpectSame(Run(Mixing(1, {{first, 1.0f}, {second, 0.0f}})), Run(Request(1, first)));
  ExpectSame(Run(Mixing(1, {{first, 0.0f}, {second, 1.0f}})), Run(Request(1, second)));
}

// Logits are linear in the output layer: where it alone is conditioned, mixing logits is mixing parameters.
TEST_F(LogitMixingTest, EqualsMixedParametersWhereOnlyTheOutputLayerIsConditioned) {
  Load("logit");
  const auto mixed = Mixture(0.4, 0.25);
  const std::vector<float>& c = mixed->coefficients().values();
  const std::vector<LogitExpert> experts = {
      {Mixture(0.1, 1.0), c[0]}, {Mixture(0.1, 0.0), c[1]}, {Mixture(1.0, 0.5), c[2]}};
  for (uint64_t id = 1; id <= 6; ++id) {
    const Generation logits = Run(Mixing(id, experts)), parameters = Run(Request(id, mixed));
    EXPECT_EQ(logits.tokens, parameters.tokens);
    ASSERT_EQ(logits.log_probs.size(), parameters.log_probs.size());
    for (size_t i = 0; i < logits.log_probs.size(); ++i)
      EXPECT_NEAR(logits.log_probs[i], parameters.log_probs[i], 1e-4);
  }
}

TEST_F(LogitMixingTest, GetsTheSameBitsAloneAndAmongOthersAndACancelledOneDisturbsNobody) {
  Load("full");
  const auto a = Mixture(0.1, 1.0), b = Mixture(1.0, 0.5), c = Mixture(0.5, 0.5);
  const std::vector<EngineRequest> requests = {Mixing(1, {{a, 0.7f}, {b, 0.3f}}), Request(2, c),
                                               Mixing(3, {{b, 0.2f}, {c, 0.8f}}), Request(4, a)};
  std::map<uint64_t, Generation> alone, together;
  for (const EngineRequest& request : requests) alone[request.id] = Run(request);
  for (const EngineRequest& request : requests) ASSERT_OK(engine_->Admit(request));
  ASSERT_OK(engine_->Admit(Mixing(9, {{a, 0.5f}, {c, 0.5f}})));
  EXPECT_EQ(engine_->free_rows(), 0);
  std::vector<EngineEvent> events;
  for (int step = 0; !engine_->idle(); ++step) {
    if (step == 2) engine_->Cancel(9);
    events.clear();
    engine_->Step(&events);
    for (EngineEvent& event : events) {
      EXPECT_NE(event.id, 9u);
      if (event.kind == EngineEvent::Kind::kFinished) together[event.id] = std::move(event.generation);
    }
  }
  EXPECT_EQ(engine_->free_rows(), 8);
  for (const EngineRequest& request : requests) ExpectSame(together[request.id], alone[request.id]);
}

TEST_F(LogitMixingTest, ExpertsThatDoNotFitOneEncoderPassTakeSeveral) {
  Load("full");
  std::vector<LogitExpert> experts;
  for (const double alpha : {0.1, 0.3, 0.6, 1.0}) experts.push_back({Mixture(alpha, 0.5), 0.25f});
  const Generation in_two_passes = Run(Mixing(1, experts));
  Restart(/*max_encode_tokens=*/200);
  ExpectSame(in_two_passes, Run(Mixing(1, experts)));
}

TEST_F(LogitMixingTest, RefusesBeams) {
  Load("full");
  const auto a = Mixture(0.1, 1.0);
  EngineRequest beams = Mixing(1, {{a, 0.5f}, {a, 0.5f}});
  beams.options.num_beams = 2;
  EXPECT_THAT(engine_->Admit(beams), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("num_beams is 2")));
  EXPECT_EQ(engine_->free_rows(), 8);
}

}  // namespace
}  // namespace trimtab
