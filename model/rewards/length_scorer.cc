#include "model/rewards/length_scorer.h"

#include "absl/strings/str_split.h"

namespace trimtab {

absl::StatusOr<std::vector<double>> LengthScorer::Score(const ScoredText& text) const {
  double words = 0.0;
  for (absl::string_view word : absl::StrSplit(text.summary, absl::ByAnyChar(" \t\r\n"), absl::SkipEmpty())) {
    words += !word.empty();
  }
  return std::vector<double>{words, -words};
}

}  // namespace trimtab
