#include "trainer/run_rewards.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/rewards/length_scorer.h"
#include "model/rewards/rouge_scorer.h"
#include "model/status_macros.h"

namespace trimtab {

absl::StatusOr<RunRewards> RunRewards::Create(const ClpConfig& clp, std::span<const RewardRule> rules,
                                              std::vector<std::unique_ptr<RewardScorer>> scorers) {
  RunRewards rewards;
  for (const RewardRule& rule : rules) {
    if (clp.RewardIndex(rule.name) >= 0) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("rewards names \"", rule.name, "\"; the checkpoint has ", clp.RewardNames()));
  }
  std::vector<std::string> known;
  for (const RewardInfo& info : clp.rewards) {
    const auto rule =
        std::find_if(rules.begin(), rules.end(), [&](const RewardRule& r) { return r.name == info.name; });
    const bool ruled = rule != rules.end();
    const std::string& score = ruled && !rule->score.empty() ? rule->score : info.name;
    Source source{scorers.size(), 0, info.range_low, info.range_high};
    if (ruled && rule->range.has_value()) std::tie(source.low, source.high) = *rule->range;
    known.clear();
    for (size_t i = 0; i < scorers.size(); ++i) {
      const std::vector<std::string>& names = scorers[i]->names();
      known.insert(known.end(), names.begin(), names.end());
      const auto found = std::find(names.begin(), names.end(), score);
      if (found != names.end()) source.scorer = i, source.output = found - names.begin();
    }
    if (source.scorer == scorers.size()) {
      return absl::InvalidArgumentError(absl::StrCat("reward ", info.name, " comes from a score \"", score,
                                                     "\"; expected one of ", absl::StrJoin(known, ", ")));
    }
    rewards.sources_.push_back(source);
  }
  rewards.scorers_ = std::move(scorers);
  return rewards;
}

bool RunRewards::needs_references() const {
  return std::any_of(sources_.begin(), sources_.end(),
                     [&](const Source& source) { return scorers_[source.scorer]->needs_reference(); });
}

absl::StatusOr<std::vector<std::vector<double>>> RunRewards::Score(std::span<const ScoredText> texts) const {
  std::vector<std::vector<double>> rewards(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    std::vector<std::vector<double>> said(scorers_.size());
    for (const Source& source : sources_) {
      std::vector<double>& outputs = said[source.scorer];
      if (outputs.empty()) {
        ASSIGN_OR_RETURN(outputs, scorers_[source.scorer]->Score(texts[i]));
      }
      rewards[i].push_back((outputs[source.output] - source.low) / (source.high - source.low));
    }
  }
  return rewards;
}

std::vector<std::unique_ptr<RewardScorer>> BuiltInScorers() {
  std::vector<std::unique_ptr<RewardScorer>> scorers;
  scorers.push_back(std::make_unique<RougeScorer>());
  scorers.push_back(std::make_unique<LengthScorer>());
  return scorers;
}

}  // namespace trimtab
