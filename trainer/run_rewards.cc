#include "trainer/run_rewards.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace trimtab {

absl::StatusOr<ClpConfig> WithRules(ClpConfig clp, std::span<const RewardRule> rules,
                                    const std::vector<std::string>& scores) {
  for (const RewardRule& rule : rules) {
    const int index = clp.RewardIndex(rule.name);
    if (index < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("rewards names \"", rule.name, "\"; the checkpoint has ", clp.RewardNames()));
    }
    RewardInfo& reward = clp.rewards[index];
    if (!rule.score.empty()) reward.score = rule.score;
    if (rule.range.has_value()) std::tie(reward.range_low, reward.range_high) = *rule.range;
  }
  const std::vector<size_t> computable = ComputableRewards(clp, scores);
  for (size_t i = 0; i < clp.rewards.size(); ++i) {
    if (std::find(computable.begin(), computable.end(), i) != computable.end()) continue;
    const RewardInfo& reward = clp.rewards[i];
    return absl::InvalidArgumentError(absl::StrCat(
        "reward ", reward.name, " comes from a score \"", reward.score.empty() ? reward.name : reward.score,
        "\" that nothing gives; expected one of ", absl::StrJoin(scores, ", ")));
  }
  return clp;
}

}  // namespace trimtab
