#include "model/rewards/grounding.h"

#include <cstddef>
#include <set>
#include <utility>

#include "model/rewards/rouge.h"

namespace trimtab {
namespace {

double Share(size_t part, size_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

double Grounding(absl::string_view article, absl::string_view summary) {
  const std::vector<std::string> source = RougeWords(article), written = RougeWords(summary);
  if (written.empty()) return 0.0;
  const std::set<absl::string_view> words(source.begin(), source.end());
  std::set<std::pair<absl::string_view, absl::string_view>> pairs;
  for (size_t i = 1; i < source.size(); ++i) pairs.emplace(source[i - 1], source[i]);
  size_t found_words = 0, found_pairs = 0;
  for (size_t i = 0; i < written.size(); ++i) {
    found_words += words.count(written[i]);
    if (i > 0) found_pairs += pairs.count({written[i - 1], written[i]});
  }
  return 0.5 * (Share(found_words, written.size()) + Share(found_pairs, written.size() - 1));
}

absl::StatusOr<std::vector<std::vector<double>>> GroundingScorer::ScoreAll(std::span<const ScoredText> texts) const {
  std::vector<std::vector<double>> scores;
  for (const ScoredText& text : texts) scores.push_back({100 * Grounding(text.article, text.summary)});
  return scores;
}

}  // namespace trimtab
