#include "model/rewards/length_scorer.h"

#include "absl/strings/str_split.h"

namespace trimtab {

absl::StatusOr<std::vector<std::vector<double>>> LengthScorer::ScoreAll(std::span<const ScoredText> texts) const {
  std::vector<std::vector<double>> scores;
  for (const ScoredText& text : texts) {
    double words = 0.0;
    for (absl::string_view word : absl::StrSplit(text.summary, absl::ByAnyChar(" \t\r\n"), absl::SkipEmpty())) {
      words += !word.empty();
    }
    scores.push_back({words, -words});
  }
  return scores;
}

}  // namespace trimtab
