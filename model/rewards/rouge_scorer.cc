#include "model/rewards/rouge_scorer.h"

#include "model/rewards/rouge.h"

namespace trimtab {

absl::StatusOr<std::vector<double>> RougeScorer::Score(const ScoredText& text) const {
  const RougeScore score = RougeLsum(text.reference, text.summary);
  return std::vector<double>{100 * score.f1, 100 * score.precision, 100 * score.recall};
}

}  // namespace trimtab
