#ifndef TRIMTAB_MODEL_REWARDS_REWARD_MODEL_H_
#define TRIMTAB_MODEL_REWARDS_REWARD_MODEL_H_

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "kernels/backend.h"
#include "model/mixed_weights.h"
#include "model/rewards/reward_model_config.h"
#include "model/rewards/reward_scorer.h"
#include "model/tokenizer.h"

namespace trimtab {

// A T5 that judges: reads article and summary and gives one number, off the first step of its decoder. Runs on a
// backend of its own, one text after the other; who comes meanwhile waits.
class RewardModel final : public RewardScorer {
 public:
  // `directory` is a plain Hugging Face T5 folder with a reward_model.json. `name` is that of its score.
  static absl::StatusOr<std::unique_ptr<RewardModel>> Load(const std::string& name, const std::string& directory,
                                                           int threads);

  const std::vector<std::string>& names() const override { return names_; }
  bool needs_reference() const override { return false; }
  // Internal when the model gives a number that is not finite.
  absl::StatusOr<std::vector<std::vector<double>>> ScoreAll(std::span<const ScoredText> texts) const override;

 private:
  RewardModel(const std::string& name, RewardModelConfig config) : names_({name}), config_(std::move(config)) {}

  absl::StatusOr<double> Score(const ScoredText& text) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::vector<std::string> names_;
  const RewardModelConfig config_;
  std::unique_ptr<Tokenizer> tokenizer_;
  mutable absl::Mutex mutex_;
  std::unique_ptr<Backend> backend_ ABSL_PT_GUARDED_BY(mutex_);
  std::shared_ptr<const MixedWeights> weights_;
};

inline constexpr char kRewardModelsFolder[] = "reward_models";

// Where the reward models of a checkpoint lie, reward_models/<name>: (name, folder), by name; none without that folder.
// InvalidArgument for a name that is not 1 to 32 of a-z, 0-9 and _.
absl::StatusOr<std::vector<std::pair<std::string, std::string>>> RewardModelFolders(
    const std::string& checkpoint_directory);

// All of them. InvalidArgument for whatever is wrong inside one.
absl::StatusOr<std::vector<std::unique_ptr<RewardScorer>>> LoadRewardModels(const std::string& checkpoint_directory,
                                                                            int threads);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_REWARDS_REWARD_MODEL_H_
