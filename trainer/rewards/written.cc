#include "trainer/rewards/written.h"

#include <utility>

#include "absl/strings/str_split.h"
#include "model/status_macros.h"

namespace trimtab {
std::vector<ScoredText> TextsOf(std::span<const Example> examples, std::span<const std::string> summaries) {
  std::vector<ScoredText> texts;
  for (size_t i = 0; i < examples.size(); ++i) {
    texts.push_back({.article = examples[i].document, .summary = summaries[i], .reference = examples[i].summary});
  }
  return texts;
}

Scores Written::Means() const {
  Scores means;
  for (const Scores& each : scores) {
    for (const auto& [name, value] : each) means[name] += value / static_cast<double>(scores.size());
  }
  return means;
}

double Written::WordsPerSummary() const {
  size_t words = 0;
  for (const std::string& summary : summaries) {
    const std::vector<absl::string_view> split = absl::StrSplit(summary, absl::ByAnyChar(" \n\t"), absl::SkipEmpty());
    words += split.size();
  }
  return static_cast<double>(words) / static_cast<double>(summaries.size());
}

absl::StatusOr<std::vector<Written>> WriteAndScore(const OfflineOptions& engine, std::span<const Example> examples,
                                                   const std::vector<v1::Steering>& steerings,
                                                   const v1::GenerationOptions& generation, const ScorerSet& scorers) {
  std::vector<Article> articles;
  for (const Example& example : examples) articles.push_back({.id = example.id, .text = example.document});
  std::vector<Written> all(steerings.size());
  size_t done = 0;
  RETURN_IF_ERROR(SummarizeOffline(engine, articles, steerings, generation,
                                   [&](const Article&, const v1::SummarizeResponse& reply) {
                                     Written& written = all[done++ % all.size()];
                                     written.weighting = reply.weighting();
                                     written.summaries.push_back(reply.summary());
                                   }));
  for (Written& written : all) {
    ASSIGN_OR_RETURN(written.scores, scorers.ScoreAll(TextsOf(examples, written.summaries)));
  }
  return all;
}

}  // namespace trimtab
