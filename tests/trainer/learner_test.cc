// One update: what is written by the engine is what libtorch learns from, and it learns what is rewarded.
#include "trainer/learner.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"
#include "trainer/rollouts.h"
#include "trainer/step_random.h"

namespace trimtab {
namespace {

// A run in small: articles of noise, and tokens that each summary is rewarded for.
class LearnerTest : public testing::TestWithParam<Baseline> {
 protected:
  static constexpr int kBatch = 16;
  static constexpr int32_t kWanted = 104;  // Tokens below are: half of all.

  void SetUp() override {
    TinyOptions tiny;
    tiny.variant = "attn";
    ASSERT_OK(MakeTinyClp(folder_.path(), tiny));
    ASSERT_OK_AND_ASSIGN(start_, OpenCheckpoint(folder_.path()));
    ASSERT_OK_AND_ASSIGN(rollouts_, CreateRollouts());
    for (int i = 0; i < kBatch; ++i) {
      std::vector<int32_t>& article = articles_.emplace_back();
      for (int t = 0; t < 3 + i / 2 % 5; ++t) article.push_back(3 + (i / 4 * 31 + t * 7) % 190);
      article.push_back(1);
    }
    options_.baseline = GetParam();
    options_.samples_per_article = 4;
    options_.learning_rate = options_.value_learning_rate = 3e-2;
    options_.threads = 1;
    ASSERT_OK_AND_ASSIGN(learner_, Learner::Create(start_, start_, options_));
    ASSERT_OK_AND_ASSIGN(reference_, PackPlain(learner_->Reference(), rollouts_->backend()));
  }

  absl::StatusOr<std::unique_ptr<Rollouts>> CreateRollouts() const {
    absl::StatusOr<Rollouts> rollouts =
        Rollouts::Create(start_.config, {.threads = 1, .batch = kBatch, .max_input_tokens = 32, .max_new_tokens = 6});
    if (!rollouts.ok()) return rollouts.status();
    return std::make_unique<Rollouts>(*std::move(rollouts));
  }

  Coefficients coefficients() const { return Coefficients::From(start_.clp.mixing, weighting_, {}); }

  // A batch that the policy writes now.
  LearnerBatch Write(Learner& learner, uint64_t step) {
    const auto mixed = PackPlain(learner.Mixed(coefficients()), rollouts_->backend());
    EXPECT_OK(mixed);
    std::vector<uint64_t> seeds;
    for (int i = 0; i < kBatch; ++i) seeds.push_back(StepSeed(1, Chance::kRollout, step, i));
    const auto written = rollouts_->Sample(*mixed, articles_, seeds);
    EXPECT_OK(written);
    const auto reference = SequenceLogProbs(*reference_, articles_, *written, rollouts_->backend());
    EXPECT_OK(reference);
    LearnerBatch batch{&weighting_, articles_, articles_, {}, {}, {}};
    for (int i = 0; i < kBatch; ++i) {
      const Generation& generation = (*written)[i];
      batch.targets.push_back(generation.tokens);
      batch.engine_log_probs.push_back(generation.log_probs);
      double log_ratio = -(*reference)[i], wanted = 0.0;
      for (float log_prob : generation.log_probs) log_ratio += log_prob;
      for (int32_t token : generation.tokens) wanted += (token < kWanted ? 1.0 : 0.0) / generation.tokens.size();
      batch.outcomes.push_back({{wanted, wanted}, log_ratio});
    }
    return batch;
  }
  LearnerStats Step(Learner& learner, uint64_t step) { return learner.Update(coefficients(), Write(learner, step)); }

  const Weighting weighting_ = *Weighting::Create({MixingKind::kSoftmdp, 0.1}, 2, 0.1, {0.5, 0.5});
  TempDir folder_;
  Checkpoint start_;
  std::unique_ptr<Rollouts> rollouts_;
  LearnerOptions options_;
  std::unique_ptr<Learner> learner_;
  std::shared_ptr<const MixedWeights> reference_;
  std::vector<std::vector<int32_t>> articles_;
};

TEST_P(LearnerTest, EngineAndLibtorchAgreeAboutEveryTokenAllAlong) {
  for (uint64_t step = 0; step < 10; ++step) {
    const LearnerStats stats = Step(*learner_, step);
    EXPECT_LE(stats.log_prob_gap, 1e-3) << step;
    EXPECT_GT(stats.gradient_norm, 0.0);
  }
}

TEST_P(LearnerTest, ARestoredLearnerGoesOnBitForBit) {
  for (uint64_t step = 0; step < 3; ++step) Step(*learner_, step);
  const Checkpoint saved = learner_->Snapshot(3);
  // Through bytes, as files are.
  ASSERT_OK(WriteSafetensors(folder_.File("state.safetensors"), learner_->State(), {}));
  ASSERT_OK_AND_ASSIGN(const Safetensors state, Safetensors::Open(folder_.File("state.safetensors")));
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Learner> resumed, Learner::Create(saved, start_, options_));
  ASSERT_OK(resumed->Restore(state));
  for (uint64_t step = 3; step < 6; ++step) {
    Step(*learner_, step);
    Step(*resumed, step);
    EXPECT_EQ(resumed->Snapshot(0).digest, learner_->Snapshot(0).digest) << step;
  }
  EXPECT_NE(learner_->Snapshot(0).digest, saved.digest);
}

TEST_P(LearnerTest, AStateOfAnotherBaselineIsRefused) {
  LearnerOptions other = options_;
  other.baseline = options_.baseline == Baseline::kValueNetwork ? Baseline::kLeaveOneOut : Baseline::kValueNetwork;
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Learner> stranger, Learner::Create(start_, start_, other));
  ASSERT_OK(WriteSafetensors(folder_.File("state.safetensors"), stranger->State(), {}));
  ASSERT_OK_AND_ASSIGN(const Safetensors state, Safetensors::Open(folder_.File("state.safetensors")));
  EXPECT_THAT(learner_->Restore(state), StatusIs(absl::StatusCode::kInvalidArgument));
}

class LeaveOneOutTest : public LearnerTest {};

TEST_P(LeaveOneOutTest, AnUpdateMakesMoreLikelyWhatWasBetterThanTheOthers) {
  options_.learning_rate = 1e-3;
  ASSERT_OK_AND_ASSIGN(learner_, Learner::Create(start_, start_, options_));
  const LearnerBatch batch = Write(*learner_, 0);
  std::vector<double> advantages =
      LeaveOneOutAdvantages(Objectives(weighting_, batch.outcomes), options_.samples_per_article);
  NormalizeAdvantages(&advantages);
  std::vector<Generation> written(kBatch);
  for (int i = 0; i < kBatch; ++i) written[i].tokens = batch.targets[i];
  learner_->Update(coefficients(), batch);
  ASSERT_OK_AND_ASSIGN(const auto moved, PackPlain(learner_->Mixed(coefficients()), rollouts_->backend()));
  ASSERT_OK_AND_ASSIGN(const std::vector<double> after,
                       SequenceLogProbs(*moved, articles_, written, rollouts_->backend()));
  double gain = 0.0;
  for (int i = 0; i < kBatch; ++i) {
    double before = 0.0;
    for (float log_prob : batch.engine_log_probs[i]) before += log_prob;
    gain += advantages[i] * (after[i] - before);
  }
  EXPECT_GT(gain, 0.0);
}

INSTANTIATE_TEST_SUITE_P(Baselines, LearnerTest, testing::Values(Baseline::kValueNetwork, Baseline::kLeaveOneOut),
                         [](const auto& info) {
                           return info.param == Baseline::kValueNetwork ? "ValueNetwork" : "LeaveOneOut";
                         });

INSTANTIATE_TEST_SUITE_P(Baseline, LeaveOneOutTest, testing::Values(Baseline::kLeaveOneOut));

}  // namespace
}  // namespace trimtab
