// Requests that read one article: when they share its encoding, and that nobody can tell from the text.
#include "model/article_encoder.h"

#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "model/engine.h"
#include "tests/testing/devices.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {
namespace {

constexpr int32_t kLength = 20;

class ArticleEncoderTest : public testing::Test {
 protected:
  void Load(const std::string& variant) {
    TinyOptions options;
    options.variant = variant;
    ASSERT_OK(MakeTinyClp(folder_.path(), options));
    parameters_ = NewParameters();
    const EngineOptions limits{.max_rows = 16, .max_input_tokens = 64, .max_new_tokens = 24, .max_encode_tokens = 200};
    ASSERT_OK_AND_ASSIGN(engine_, NewEngine(parameters_->config(), limits, backend_.get()));
  }

  std::shared_ptr<const Parameters> NewParameters() {
    const Checkpoint checkpoint = OpenCheckpoint(folder_.path()).value();
    return Parameters::Create(checkpoint, backend_.get()).value();
  }

  std::shared_ptr<const MixedWeights> Mixture(double w, MixTime when = MixTime::kOnUse) {
    const MixingRule& rule = parameters_->clp().mixing;
    const Weighting weighting = Weighting::Create(rule, 2, 0.3, {w, 1.0 - w}).value();
    return MixedWeights::Mix(parameters_, Coefficients::From(rule, weighting, {}), backend_.get(), when).value();
  }

  static EngineRequest Request(uint64_t id, std::shared_ptr<const MixedWeights> weights, int32_t first_token = 3) {
    EngineRequest request{id, std::vector<int32_t>(kLength), std::move(weights), {}};
    std::iota(request.input_ids.begin(), request.input_ids.end(), first_token);
    request.options.max_new_tokens = 12;
    request.options.min_new_tokens = 6;
    request.options.log_probs = true;
    return request;
  }

  // Greedy, sampling and beams, dense and over the basis, five weightings.
  std::vector<EngineRequest> ManyWeightings() {
    std::vector<EngineRequest> requests;
    for (int i = 0; i < 5; ++i) {
      const MixTime when = i % 2 == 0 ? MixTime::kOnUse : MixTime::kNever;
      EngineRequest& request = requests.emplace_back(Request(i + 1, Mixture(0.25 * i, when)));
      if (i == 2) request.options.num_beams = 3;
      if (i == 3) request.options.temperature = 1.0f;
    }
    return requests;
  }

  // Tokens of the passes that ran until all requests are decoding, a layer counted as its whole pass.
  int32_t EncodeAll(const std::vector<EngineRequest>& requests) {
    int32_t tokens = 0;
    for (const EngineRequest& request : requests) EXPECT_OK(engine_->Admit(request));
    for (StepStats stats = Step(); stats.decode_rows == 0; stats = Step())
      tokens = std::max(tokens, stats.encode_tokens);
    return tokens;
  }

  StepStats Step() {
    events_.clear();
    const StepStats stats = engine_->Step(&events_);
    for (EngineEvent& event : events_) {
      if (event.kind == EngineEvent::Kind::kFinished) finished_[event.id] = std::move(event.generation);
    }
    return stats;
  }

  void ExpectAsAlone(const std::vector<EngineRequest>& requests) {
    while (!engine_->idle()) Step();
    for (const EngineRequest& request : requests) {
      ASSERT_OK_AND_ASSIGN(const Generation alone, Generate(*engine_, request));
      EXPECT_EQ(finished_[request.id].tokens, alone.tokens) << request.id;
      EXPECT_EQ(finished_[request.id].log_probs, alone.log_probs) << request.id;
    }
  }

  TempDir folder_;
  std::unique_ptr<Backend> backend_ = NewBackend(TestDevice(), 2).value();
  std::shared_ptr<const Parameters> parameters_;
  std::unique_ptr<Engine> engine_;
  std::vector<EngineEvent> events_;
  std::map<uint64_t, Generation> finished_;
};

TEST_F(ArticleEncoderTest, WhereOnlyTheOutputLayerIsConditionedAllWeightingsShareOneEncoding) {
  Load("logit");
  const std::vector<EngineRequest> requests = ManyWeightings();
  EXPECT_EQ(EncodeAll(requests), kLength);
  ExpectAsAlone(requests);
}

TEST_F(ArticleEncoderTest, WhereTheEncoderIsConditionedEachWeightingHasItsOwn) {
  Load("attn");
  const std::vector<EngineRequest> requests = ManyWeightings();
  EXPECT_EQ(EncodeAll(requests), 5 * kLength);
  ExpectAsAlone(requests);
}

TEST_F(ArticleEncoderTest, EqualCoefficientsShareWhateverThePath) {
  Load("full");
  std::vector<EngineRequest> requests;
  for (int i = 0; i < 4; ++i) {
    EngineRequest& request =
        requests.emplace_back(Request(i + 1, Mixture(0.5, i < 2 ? MixTime::kOnUse : MixTime::kNever)));
    request.options.temperature = 1.0f;
    request.options.seed = i;
  }
  EXPECT_EQ(EncodeAll(requests), kLength);
  ExpectAsAlone(requests);
}

TEST_F(ArticleEncoderTest, OtherArticlesAndOtherParametersDoNotShare) {
  Load("logit");
  std::vector<EngineRequest> requests = {Request(1, Mixture(0.5)), Request(2, Mixture(0.5), 4)};
  parameters_ = NewParameters();
  requests.push_back(Request(3, Mixture(0.5)));
  EXPECT_EQ(EncodeAll(requests), 3 * kLength);
  ExpectAsAlone(requests);
}

TEST_F(ArticleEncoderTest, OneThatComesWhileAnotherDecodesStartsAtOnce) {
  Load("logit");
  std::vector<EngineRequest> requests = {Request(1, Mixture(0.0))};
  EncodeAll(requests);
  requests.push_back(Request(2, Mixture(1.0)));
  ASSERT_OK(engine_->Admit(requests.back()));
  const StepStats stats = Step();
  EXPECT_EQ(stats.encode_tokens, 0);
  EXPECT_EQ(stats.decode_rows, 2);
  ExpectAsAlone(requests);
}

TEST_F(ArticleEncoderTest, AnEncodingOutlivesWhoAskedForItAndIsForgottenWithItsLastReader) {
  Load("logit");
  for (int steps = 0; steps < 6; ++steps) {
    const std::vector<EngineRequest> requests = {Request(1, Mixture(0.0)), Request(2, Mixture(1.0))};
    for (const EngineRequest& request : requests) ASSERT_OK(engine_->Admit(request));
    for (int i = 0; i < steps; ++i) Step();
    engine_->Cancel(1);
    ExpectAsAlone({requests[1]});
    EXPECT_EQ(EncodeAll({requests[1]}), kLength) << "nobody held it any more";
    engine_->Cancel(2);
  }
}

}  // namespace
}  // namespace trimtab
