#include <cmath>

#include "model/rewards/rouge.h"
#include "tests/fuzz/fuzz.h"

namespace trimtab {
namespace {

constexpr size_t kMaxText = 2000;

void CheckScore(const RougeScore& score) {
  for (const double value : {score.precision, score.recall, score.f1}) FUZZ_CHECK(value >= 0.0 && value <= 1.0);
  FUZZ_CHECK(score.f1 <= std::max(score.precision, score.recall) + 1e-12);
  FUZZ_CHECK((score.precision == 0.0) == (score.recall == 0.0));
}

void CheckTurned(const RougeScore& score, const RougeScore& turned) {
  FUZZ_CHECK(score.precision == turned.recall && score.recall == turned.precision);
}

// Input: reference, NUL, summary.
FUZZ_TARGET(rouge) {
  const std::string reference = TakeUntil(absl::string_view("\0", 1), &input).substr(0, kMaxText);
  const absl::string_view summary = input.substr(0, kMaxText);
  for (const int n : {1, 2, 5}) {
    CheckScore(RougeN(reference, summary, n));
    CheckTurned(RougeN(reference, summary, n), RougeN(summary, reference, n));
  }
  const RougeScore longest = RougeL(reference, summary);
  CheckScore(longest);
  CheckTurned(longest, RougeL(summary, reference));
  CheckScore(RougeLsum(reference, summary));
  const bool has_words = !RougeWords(reference).empty();
  FUZZ_CHECK(RougeL(reference, reference).f1 == (has_words ? 1.0 : 0.0));
  // A common subsequence is made of common words.
  FUZZ_CHECK(longest.recall <= RougeN(reference, summary, 1).recall + 1e-12);
}

}  // namespace
}  // namespace trimtab
