// Algorithm 1, step by step.
#ifndef TRIMTAB_TRAINER_TRAINING_H_
#define TRIMTAB_TRAINER_TRAINING_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/tokenizer.h"
#include "trainer/corpora/corpus.h"
#include "trainer/learner.h"
#include "trainer/rollouts.h"
#include "trainer/run_config.h"
#include "trainer/run_folder.h"
#include "trainer/run_rewards.h"
#include "trainer/weighting_sampler.h"

namespace trimtab {

// What one step did.
struct StepReport {
  uint64_t step = 0;  // 1 for the first.
  double alpha = 0.0;
  std::vector<double> w;
  std::vector<double> rewards;  // Mean of R_i, mapped, over the batch.
  double kl = 0.0;              // Mean log-ratio, nats per summary.
  LearnerStats learner;
  int64_t read_tokens = 0;     // Of articles.
  int64_t written_tokens = 0;  // Of summaries.
  // Seconds.
  double rollout_seconds = 0.0;    // Mixing, packing and sampling.
  double reward_seconds = 0.0;     // Text and scores.
  double reference_seconds = 0.0;  // Log-probabilities of the reference.
  double update_seconds = 0.0;     // libtorch.
  double seconds() const { return rollout_seconds + reward_seconds + reference_seconds + update_seconds; }
};

// The run of one configuration, from the latest checkpoint of its folder. Not thread-safe.
class Training {
 public:
  // `rewards` gives one value per reward of the checkpoint. Both `folder` and what it names must outlive the result.
  static absl::StatusOr<std::unique_ptr<Training>> Create(const RunConfig& config, RunFolder* folder,
                                                          std::vector<std::unique_ptr<RewardScorer>> scorers);

  uint64_t step() const { return step_; }            // Updates done.
  uint64_t log_bytes() const { return log_bytes_; }  // Of the log, as of the checkpoint this began from.
  const ClpConfig& clp() const { return clp_; }

  absl::StatusOr<StepReport> Step();
  // The parameters now, float32.
  Checkpoint Snapshot() const { return learner_->Snapshot(step_); }
  absl::Status Save(uint64_t log_bytes);

 private:
  explicit Training(const RunConfig& config, RunFolder* folder) : config_(config), folder_(folder) {}
  absl::Status Open(std::vector<std::unique_ptr<RewardScorer>> scorers);

  // Examples come in an order shuffled anew for each pass over the corpus.
  std::vector<size_t> NextExamples();
  absl::StatusOr<std::vector<int32_t>> Encode(const ClpConfig& clp, const Weighting& weighting, size_t example) const;
  absl::Status ReadArticles(const Weighting& weighting, const std::vector<size_t>& examples, LearnerBatch* batch,
                            StepReport* report);
  absl::StatusOr<std::vector<Generation>> Write(const Coefficients& coefficients, const LearnerBatch& batch);
  absl::Status Reward(const std::vector<size_t>& examples, const std::vector<Generation>& written, LearnerBatch* batch,
                      StepReport* report);
  absl::Status CompareWithReference(const std::vector<Generation>& written, LearnerBatch* batch, StepReport* report);

  const RunConfig config_;
  RunFolder* const folder_;
  ClpConfig clp_;
  ClpConfig plain_clp_;  // Without prompt conditioning: what the reference reads.
  int32_t eos_id_ = 1;
  std::vector<Example> examples_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<RunRewards> rewards_;
  std::unique_ptr<WeightingSampler> sampler_;
  std::unique_ptr<Rollouts> rollouts_;
  std::unique_ptr<Learner> learner_;
  std::shared_ptr<const MixedWeights> reference_;
  std::vector<size_t> order_;  // Of the pass at hand.
  uint64_t order_pass_ = ~uint64_t{0};
  uint64_t step_ = 0;
  uint64_t log_bytes_ = 0;
};

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_TRAINING_H_
