#include "trainer/corpora/nearest_summary.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "model/rewards/rouge.h"

namespace trimtab {
namespace {

constexpr size_t kRarestWords = 8;      // Of a summary, by which others are found.
constexpr size_t kCommonFraction = 10;  // A word that one summary in so many has says nothing,
constexpr size_t kFew = 20;             // unless there are few.

}  // namespace

NearestSummaries::NearestSummaries(std::span<const Example> examples) : examples_(examples) {
  absl::flat_hash_map<std::string, int32_t> ids;
  for (size_t i = 0; i < examples.size(); ++i) {
    std::vector<int32_t>& words = words_.emplace_back();
    for (const std::string& word : RougeWords(examples[i].summary)) {
      words.push_back(ids.emplace(word, static_cast<int32_t>(ids.size())).first->second);
    }
    std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    holders_.resize(ids.size());
    for (const int32_t word : words) holders_[word].push_back(static_cast<int32_t>(i));
  }
}

bool NearestSummaries::IsWrong(size_t index, size_t candidate) const {
  return examples_[index].family != examples_[candidate].family && words_[index] != words_[candidate];
}

std::optional<size_t> NearestSummaries::Find(size_t index) const {
  std::vector<int32_t> rarest = words_[index];
  std::sort(rarest.begin(), rarest.end(),
            [&](int32_t a, int32_t b) { return std::pair(holders_[a].size(), a) < std::pair(holders_[b].size(), b); });
  if (rarest.size() > kRarestWords) rarest.resize(kRarestWords);
  absl::flat_hash_map<int32_t, double> shared;
  for (const int32_t word : rarest) {
    const double frequency = static_cast<double>(holders_[word].size()) / static_cast<double>(examples_.size());
    if (holders_[word].size() > std::max(examples_.size() / kCommonFraction, kFew)) continue;
    for (const int32_t holder : holders_[word]) shared[holder] -= std::log(frequency);
  }
  std::optional<size_t> best;
  double best_score = 0.0;
  for (const auto& [candidate, rarity] : shared) {
    if (!IsWrong(index, candidate)) continue;
    const double score = rarity / std::sqrt(static_cast<double>(words_[candidate].size()));
    const bool is_better =
        !best.has_value() || score > best_score || (score == best_score && static_cast<size_t>(candidate) < *best);
    if (!is_better) continue;
    best = candidate;
    best_score = score;
  }
  return best;
}

}  // namespace trimtab
