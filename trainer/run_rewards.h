#ifndef TRIMTAB_TRAINER_RUN_REWARDS_H_
#define TRIMTAB_TRAINER_RUN_REWARDS_H_

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "model/clp_config.h"
#include "model/rewards/reward_scorer.h"

namespace trimtab {

// Where a reward of the checkpoint comes from.
struct RewardRule {
  std::string name;                                // Of the reward in clp.json.
  std::string score;                               // Of a scorer; empty: the reward's name.
  std::optional<std::pair<double, double>> range;  // Mapped to [0, 1]; absent: clp.json's.
};

// R(x, y): what scorers say, mapped linearly by the ranges of the rewards and never clipped. Thread-safe.
class RunRewards {
 public:
  // One value per reward of `clp`. InvalidArgument for a rule without a reward of that name, or a reward whose score no
  // scorer gives.
  static absl::StatusOr<RunRewards> Create(const ClpConfig& clp, std::span<const RewardRule> rules,
                                           std::vector<std::unique_ptr<RewardScorer>> scorers);

  // One row per text, one value per reward, in the order of clp.json.
  absl::StatusOr<std::vector<std::vector<double>>> Score(std::span<const ScoredText> texts) const;

 private:
  std::vector<std::unique_ptr<RewardScorer>> scorers_;  // Those that a reward follows from.
  ClpConfig clp_;                                       // With the rules in it.
};

// Those that need no model: ROUGE-Lsum, the length and grounding.
std::vector<std::unique_ptr<RewardScorer>> BuiltInScorers();

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_RUN_REWARDS_H_
