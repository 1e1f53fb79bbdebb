#ifndef TRIMTAB_MODEL_REWARDS_ROUGE_H_
#define TRIMTAB_MODEL_REWARDS_ROUGE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace trimtab {

// How much of a summary is in the reference (precision) and of the reference in the summary (recall), with their
// harmonic mean; each in [0, 1], 0 where a text has no word.
struct RougeScore {
  double precision = 0.0;
  double recall = 0.0;
  double f1 = 0.0;
};

// ROUGE (Lin, 2004) equal to Python's rouge_score with use_stemmer=True. Words are runs of ASCII letters and digits in
// lower case, stemmed when longer than three; all else separates. Pure.

// Words in common, n in a row, each counted as often as both have it. REQUIRES: n >= 1.
RougeScore RougeN(absl::string_view reference, absl::string_view summary, int n);
// The longest common subsequence of the whole texts.
RougeScore RougeL(absl::string_view reference, absl::string_view summary);
// For each line of the reference, the union of its longest common subsequences with the lines of the summary. Time
// grows with the product of the lengths over 64.
RougeScore RougeLsum(absl::string_view reference, absl::string_view summary);

// The words of `text` as the scores compare them.
std::vector<std::string> RougeWords(absl::string_view text);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_REWARDS_ROUGE_H_
