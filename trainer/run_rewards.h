#ifndef TRIMTAB_TRAINER_RUN_REWARDS_H_
#define TRIMTAB_TRAINER_RUN_REWARDS_H_

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "model/clp_config.h"
#include "model/rewards/mapped_rewards.h"

namespace trimtab {

// Where a reward of the checkpoint comes from in a run.
struct RewardRule {
  std::string name;                                // Of the reward in clp.json.
  std::string score;                               // Of a scorer; empty: as clp.json says.
  std::optional<std::pair<double, double>> range;  // Mapped to [0, 1]; absent: as clp.json says.
};

// `clp` with the scores and ranges of the rules. InvalidArgument for a rule without a reward of that name, or a reward
// that cannot be computed from `scores`.
absl::StatusOr<ClpConfig> WithRules(ClpConfig clp, std::span<const RewardRule> rules,
                                    const std::vector<std::string>& scores);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_RUN_REWARDS_H_
