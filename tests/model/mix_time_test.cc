// When matrices are mixed: the same bits now or on use, and over the basis the same model within rounding.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "model/engine.h"
#include "model/scoring.h"
#include "tests/testing/devices.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {
namespace {

// (variant, precision, backend)
class MixTimeTest : public testing::TestWithParam<std::tuple<std::string, Precision, std::string>> {
 protected:
  void SetUp() override {
    const auto& [variant, precision, device] = GetParam();
    ASSERT_OK_AND_ASSIGN(backend_, NewBackend(device, 2));
    TinyOptions options;
    options.variant = variant;
    options.tied = false;
    ASSERT_OK(MakeTinyClp(folder_.path(), options));
    ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, OpenCheckpoint(folder_.path()));
    ASSERT_OK_AND_ASSIGN(parameters_, Parameters::Create(checkpoint, backend_.get(), precision));
    const EngineOptions limits{
        .max_rows = 70, .max_input_tokens = 40, .max_new_tokens = 16, .max_encode_tokens = 120, .max_draft_tokens = 3};
    ASSERT_OK_AND_ASSIGN(engine_, NewEngine(checkpoint.config, limits, backend_.get()));
  }

  std::shared_ptr<const MixedWeights> Mixture(int n, MixTime when) {
    const MixingRule& rule = parameters_->clp().mixing;
    const double w = n % 8 / 7.0;
    const Weighting weighting = Weighting::Create(rule, 2, 0.1 + 0.9 * (n / 8) / 8.0, {w, 1.0 - w}).value();
    return MixedWeights::Mix(parameters_, Coefficients::From(rule, weighting, {}), backend_.get(), when).value();
  }

  EngineRequest Request(uint64_t id, std::shared_ptr<const MixedWeights> weights) const {
    EngineRequest request{id, std::vector<int32_t>(5 + id % 20), std::move(weights), {}};
    for (size_t i = 0; i < request.input_ids.size(); ++i) {
      request.input_ids[i] = 3 + static_cast<int32_t>(id * 31 + i * 7) % 190;
    }
    request.options.max_new_tokens = 12;
    request.options.min_new_tokens = 6;
    request.options.log_probs = true;
    return request;
  }

  Generation Run(uint64_t id, std::shared_ptr<const MixedWeights> weights) {
    return Generate(*engine_, Request(id, std::move(weights))).value();
  }

  TempDir folder_;
  std::unique_ptr<Backend> backend_;
  std::shared_ptr<const Parameters> parameters_;
  std::unique_ptr<Engine> engine_;
};

TEST_P(MixTimeTest, MixedOnUseHasTheBitsOfMixedBefore) {
  const auto lazy = Mixture(11, MixTime::kOnUse), eager = Mixture(11, MixTime::kNow);
  for (uint64_t id : {1, 2, 3}) {  // First used once, then kept, then there.
    const Generation a = Run(id, lazy), b = Run(id, eager);
    EXPECT_EQ(a.tokens, b.tokens) << id;
    EXPECT_EQ(a.log_probs, b.log_probs) << id;
  }
}

TEST_P(MixTimeTest, TheDecoderIsMixedForGoodWhileTheArticleIsRead) {
  const auto lazy = Mixture(11, MixTime::kOnUse);
  ASSERT_OK(engine_->Admit(Request(1, lazy)));
  const auto encoded = [](const EngineEvent& event) { return event.kind == EngineEvent::Kind::kEncoded; };
  std::vector<EngineEvent> events;
  while (std::ranges::none_of(events, encoded)) engine_->Step(&events);
  const auto is_ready = [](const WeightMatrix& m) { return m.state == nullptr || *m.state == MixState::kMixed; };
  for (const auto& [self, cross, feed_forward] : lazy->weights().decoder) {
    for (const WeightMatrix& m : {self.q, self.k, self.v, self.o, cross.q, cross.o}) EXPECT_TRUE(is_ready(m));
    for (const WeightMatrix& m : {feed_forward.wi, feed_forward.up, feed_forward.wo}) EXPECT_TRUE(is_ready(m));
  }
  EXPECT_TRUE(is_ready(lazy->weights().lm_head));
}

TEST_P(MixTimeTest, OverTheBasisLogitsAgree) {
  const std::vector<int32_t> input = {5, 17, 99, 42, 8, 1}, forced = {0, 7, 30, 120};
  for (int n : {0, 7, 20, 40, 63}) {
    const auto basis = TeacherForcedLogits(*Mixture(n, MixTime::kNever), input, forced, backend_.get()).value();
    const auto dense = TeacherForcedLogits(*Mixture(n, MixTime::kNow), input, forced, backend_.get()).value();
    ASSERT_EQ(basis.size(), dense.size());
    float largest = 0.0f, apart = 0.0f;
    for (size_t i = 0; i < dense.size(); ++i) {
      largest = std::max(largest, std::abs(dense[i]));
      apart = std::max(apart, std::abs(basis[i] - dense[i]));
    }
    // Low precisions round a mixture and a basis differently.
    const float tolerance = std::get<1>(GetParam()) == Precision::kFloat32 ? 1e-4f : 0.1f;
    EXPECT_LE(apart, tolerance * largest) << n;
  }
}

TEST_P(MixTimeTest, OverTheBasisARequestGetsInABatchWhatItGetsAlone) {
  const int requests = Fewer(64, 8);
  std::vector<Generation> alone;
  std::vector<std::shared_ptr<const MixedWeights>> mixtures;
  for (int i = 0; i < requests; ++i) {
    // Dense ones among them: both kinds share a batch.
    mixtures.push_back(Mixture(i, i % 5 == 4 ? MixTime::kOnUse : MixTime::kNever));
    alone.push_back(Run(i, Mixture(i, i % 5 == 4 ? MixTime::kNow : MixTime::kNever)));
  }
  for (int i = 0; i < requests; ++i) ASSERT_OK(engine_->Admit(Request(i, mixtures[i])));
  int finished = 0;
  while (!engine_->idle()) {
    std::vector<EngineEvent> events;
    engine_->Step(&events);
    for (const EngineEvent& event : events) {
      if (event.kind != EngineEvent::Kind::kFinished) continue;
      ++finished;
      EXPECT_EQ(event.generation.tokens, alone[event.id].tokens) << event.id;
      EXPECT_EQ(event.generation.log_probs, alone[event.id].log_probs) << event.id;
    }
  }
  EXPECT_EQ(finished, requests);
}

TEST_P(MixTimeTest, OverTheBasisAMixtureTakesNoMatrices) {
  const auto basis = Mixture(9, MixTime::kNever), dense = Mixture(9, MixTime::kNow);
  EXPECT_EQ(dense->bytes(), MixedWeights::Bytes(*parameters_));
  EXPECT_LT(basis->bytes(), dense->bytes() / 2);
}

INSTANTIATE_TEST_SUITE_P(All, MixTimeTest,
                         testing::Combine(testing::Values("full", "attn", "logit"),
                                          testing::Values(Precision::kFloat32, Precision::kBfloat16, Precision::kInt8),
                                          testing::ValuesIn(TestDevices())));

}  // namespace
}  // namespace trimtab
