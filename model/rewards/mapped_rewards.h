#ifndef TRIMTAB_MODEL_REWARDS_MAPPED_REWARDS_H_
#define TRIMTAB_MODEL_REWARDS_MAPPED_REWARDS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/clp_config.h"

namespace trimtab {

// Score name -> value on the scorer's own scale.
using Scores = std::map<std::string, double, std::less<>>;

// What a policy is trained on, out of scores: a plain reward is its score with range_low mapped to 0 and range_high to
// 1, linearly and never clipped; a composite is the weighted sum of its parts, mapped each by its own range, and then
// mapped by the composite's. Pure.

// One value per reward of `clp`, in order. NotFound, naming reward and score, when a score is missing.
absl::StatusOr<std::vector<double>> MapRewards(const ClpConfig& clp, const Scores& scores);

// The names of the scores that a reward, by index, follows from.
std::vector<std::string> ScoresOf(const ClpConfig& clp, size_t reward);

// Those of the rewards that can be computed from scores of these names: indices, ascending.
std::vector<size_t> ComputableRewards(const ClpConfig& clp, const std::vector<std::string>& score_names);
// The same for one reward. REQUIRES: it is computable.
double MapReward(const ClpConfig& clp, size_t reward, const Scores& scores);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_REWARDS_MAPPED_REWARDS_H_
