#include "trainer/run_rewards.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/rewards/grounding.h"
#include "model/rewards/length_scorer.h"
#include "model/rewards/mapped_rewards.h"
#include "model/rewards/rouge_scorer.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

// Whether a reward follows from one of its scores.
bool IsUsed(const ClpConfig& clp, const RewardScorer& scorer) {
  for (size_t i = 0; i < clp.rewards.size(); ++i) {
    for (const std::string& score : ScoresOf(clp, i)) {
      if (std::find(scorer.names().begin(), scorer.names().end(), score) != scorer.names().end()) return true;
    }
  }
  return false;
}

}  // namespace

absl::StatusOr<RunRewards> RunRewards::Create(const ClpConfig& clp, std::span<const RewardRule> rules,
                                              std::vector<std::unique_ptr<RewardScorer>> scorers) {
  RunRewards rewards;
  rewards.clp_ = clp;
  for (const RewardRule& rule : rules) {
    const int index = clp.RewardIndex(rule.name);
    if (index < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("rewards names \"", rule.name, "\"; the checkpoint has ", clp.RewardNames()));
    }
    RewardInfo& reward = rewards.clp_.rewards[index];
    if (!rule.score.empty()) reward.score = rule.score;
    if (rule.range.has_value()) std::tie(reward.range_low, reward.range_high) = *rule.range;
  }
  std::vector<std::string> known;
  for (const auto& scorer : scorers) known.insert(known.end(), scorer->names().begin(), scorer->names().end());
  for (size_t i = 0; i < clp.rewards.size(); ++i) {
    for (const std::string& score : ScoresOf(rewards.clp_, i)) {
      if (std::find(known.begin(), known.end(), score) != known.end()) continue;
      return absl::InvalidArgumentError(absl::StrCat("reward ", clp.rewards[i].name, " comes from a score \"", score,
                                                     "\"; expected one of ", absl::StrJoin(known, ", ")));
    }
  }
  std::erase_if(scorers, [&](const auto& scorer) { return !IsUsed(rewards.clp_, *scorer); });
  rewards.scorers_ = std::move(scorers);
  return rewards;
}

absl::StatusOr<std::vector<std::vector<double>>> RunRewards::Score(std::span<const ScoredText> texts) const {
  std::vector<Scores> scores(texts.size());
  for (const auto& scorer : scorers_) {
    ASSIGN_OR_RETURN(const auto said, scorer->ScoreAll(texts));
    for (size_t i = 0; i < texts.size(); ++i) {
      for (size_t k = 0; k < scorer->names().size(); ++k) scores[i][scorer->names()[k]] = said[i][k];
    }
  }
  std::vector<std::vector<double>> rewards;
  for (const Scores& each : scores) {
    ASSIGN_OR_RETURN(rewards.emplace_back(), MapRewards(clp_, each));
  }
  return rewards;
}

std::vector<std::unique_ptr<RewardScorer>> BuiltInScorers() {
  std::vector<std::unique_ptr<RewardScorer>> scorers;
  scorers.push_back(std::make_unique<RougeScorer>());
  scorers.push_back(std::make_unique<LengthScorer>());
  scorers.push_back(std::make_unique<GroundingScorer>());
  return scorers;
}

}  // namespace trimtab
