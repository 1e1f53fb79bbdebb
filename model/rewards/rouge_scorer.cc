#include "model/rewards/rouge_scorer.h"

#include "model/rewards/rouge.h"

namespace trimtab {

absl::StatusOr<std::vector<std::vector<double>>> RougeScorer::ScoreAll(std::span<const ScoredText> texts) const {
  std::vector<std::vector<double>> scores;
  for (const ScoredText& text : texts) {
    const RougeScore score = RougeLsum(text.reference, text.summary);
    scores.push_back({100 * score.f1, 100 * score.precision, 100 * score.recall});
  }
  return scores;
}

}  // namespace trimtab
