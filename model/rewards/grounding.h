#ifndef TRIMTAB_MODEL_REWARDS_GROUNDING_H_
#define TRIMTAB_MODEL_REWARDS_GROUNDING_H_

#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/rewards/reward_scorer.h"

namespace trimtab {

// How much of a summary its article has, in [0, 1]: the mean of the share of its words, and of its pairs of adjacent
// words, that occur there. Words are ROUGE's, numbers and names among them; a text of one word has no pair, so it gets
// at most a half, and one of no word gets 0. It measures wording, not meaning: a true paraphrase scores low, and what
// the article denies may score high. Pure; near linear in the lengths.
double Grounding(absl::string_view article, absl::string_view summary);

// The same in percent, as the score "grounding": a consistency that needs no model.
class GroundingScorer final : public RewardScorer {
 public:
  const std::vector<std::string>& names() const override { return names_; }
  bool needs_reference() const override { return false; }
  absl::StatusOr<std::vector<std::vector<double>>> ScoreAll(std::span<const ScoredText> texts) const override;

 private:
  const std::vector<std::string> names_ = {"grounding"};
};

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_REWARDS_GROUNDING_H_
