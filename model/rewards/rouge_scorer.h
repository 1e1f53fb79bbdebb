#ifndef TRIMTAB_MODEL_REWARDS_ROUGE_SCORER_H_
#define TRIMTAB_MODEL_REWARDS_ROUGE_SCORER_H_

#include <span>
#include <string>
#include <vector>

#include "model/rewards/reward_scorer.h"

namespace trimtab {

// ROUGE-Lsum against the reference in percent: rouge_lsum (F1), rouge_lsum_precision, rouge_lsum_recall.
class RougeScorer final : public RewardScorer {
 public:
  const std::vector<std::string>& names() const override { return names_; }
  bool needs_reference() const override { return true; }
  absl::StatusOr<std::vector<std::vector<double>>> ScoreAll(std::span<const ScoredText> texts) const override;

 private:
  const std::vector<std::string> names_ = {"rouge_lsum", "rouge_lsum_precision", "rouge_lsum_recall"};
};

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_REWARDS_ROUGE_SCORER_H_
