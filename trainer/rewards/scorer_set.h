#ifndef TRIMTAB_TRAINER_REWARDS_SCORER_SET_H_
#define TRIMTAB_TRAINER_REWARDS_SCORER_SET_H_

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/rewards/mapped_rewards.h"
#include "model/rewards/reward_scorer.h"

namespace trimtab {

// All that can say how good a summary is: ROUGE and lengths, the reward models beside a checkpoint, and remote rewards.
// Thread-safe.
class ScorerSet {
 public:
  // `remote_rewards` are HOST:PORT each. InvalidArgument when two give a score of one name; errors of each source.
  static absl::StatusOr<ScorerSet> Open(const std::string& checkpoint_directory,
                                        const std::vector<std::string>& remote_rewards, int threads);
  static absl::StatusOr<ScorerSet> Of(std::vector<std::unique_ptr<RewardScorer>> scorers);

  const std::vector<std::string>& names() const { return names_; }

  // One set of scores per text. Every text must have a reference, or none: without, scores that need one are left out.
  absl::StatusOr<std::vector<Scores>> ScoreAll(std::span<const ScoredText> texts) const;

 private:
  std::vector<std::unique_ptr<RewardScorer>> scorers_;
  std::vector<std::string> names_;
};

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_REWARDS_SCORER_SET_H_
