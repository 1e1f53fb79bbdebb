#ifndef TRIMTAB_MODEL_REWARDS_LENGTH_SCORER_H_
#define TRIMTAB_MODEL_REWARDS_LENGTH_SCORER_H_

#include <span>
#include <string>
#include <vector>

#include "model/rewards/reward_scorer.h"

namespace trimtab {

// How long a summary is, in words between blanks: words, and brevity, which is minus that.
class LengthScorer final : public RewardScorer {
 public:
  const std::vector<std::string>& names() const override { return names_; }
  bool needs_reference() const override { return false; }
  absl::StatusOr<std::vector<std::vector<double>>> ScoreAll(std::span<const ScoredText> texts) const override;

 private:
  const std::vector<std::string> names_ = {"words", "brevity"};
};

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_REWARDS_LENGTH_SCORER_H_
