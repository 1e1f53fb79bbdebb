#include "model/scoring.h"

#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/choice.h"
#include "tests/testing/devices.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {
namespace {

TEST(ScoringTest, ManySequencesInOnePassScoreAsEachDoesAloneStepByStep) {
  TempDir folder;
  ASSERT_OK(MakeTinyT5(folder.path()));
  ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, OpenCheckpoint(folder.path()));
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Backend> backend, NewBackend(TestDevice(), 1));
  ASSERT_OK_AND_ASSIGN(const auto parameters, Parameters::Create(checkpoint, backend.get()));
  ASSERT_OK_AND_ASSIGN(const Weighting weighting, Weighting::Create(checkpoint.clp.mixing, 0, 1.0, {}));
  ASSERT_OK_AND_ASSIGN(
      const auto weights,
      MixedWeights::Mix(parameters, Coefficients::From(checkpoint.clp.mixing, weighting, {}), backend.get()));
  std::vector<std::vector<int32_t>> inputs, targets;
  // More targets than one pass takes, where there is time.
  for (int i = 0; i < Fewer(60, 30); ++i) {
    std::vector<int32_t>&input = inputs.emplace_back(), &target = targets.emplace_back();
    for (int t = 0; t < 2 + i % 7; ++t) input.push_back(3 + (17 * i + t) % 190);
    for (int t = 0; t < 1 + i % 25; ++t) target.push_back(3 + (29 * i + 7 * t) % 190);
  }
  std::vector<ScoredSequence> sequences;
  for (size_t i = 0; i < inputs.size(); ++i) sequences.push_back({inputs[i], targets[i]});
  ASSERT_OK_AND_ASSIGN(const auto log_probs, TargetLogProbs(*weights, sequences, backend.get()));
  ASSERT_EQ(log_probs.size(), inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    std::vector<int32_t> fed(1, checkpoint.config.decoder_start_id);
    fed.insert(fed.end(), targets[i].begin(), targets[i].end() - 1);
    ASSERT_OK_AND_ASSIGN(const std::vector<float> logits, TeacherForcedLogits(*weights, inputs[i], fed, backend.get()));
    ASSERT_EQ(log_probs[i].size(), targets[i].size());
    for (size_t t = 0; t < targets[i].size(); ++t) {
      const std::span<const float> row(logits.data() + t * checkpoint.config.vocab_size, checkpoint.config.vocab_size);
      EXPECT_EQ(log_probs[i][t], static_cast<float>(row[targets[i][t]] - LogSumExp(row))) << i << " " << t;
    }
  }
}

}  // namespace
}  // namespace trimtab
