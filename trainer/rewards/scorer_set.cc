#include "trainer/rewards/scorer_set.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/remote_reward.h"
#include "model/rewards/reward_model.h"
#include "model/status_macros.h"
#include "trainer/run_rewards.h"

namespace trimtab {

absl::StatusOr<ScorerSet> ScorerSet::Open(const std::string& checkpoint_directory,
                                          const std::vector<std::string>& remote_rewards, int threads) {
  ASSIGN_OR_RETURN(std::vector<std::unique_ptr<RewardScorer>> scorers, LoadRewardModels(checkpoint_directory, threads));
  for (auto& scorer : BuiltInScorers()) scorers.push_back(std::move(scorer));
  for (const std::string& server : remote_rewards) {
    ASSIGN_OR_RETURN(std::unique_ptr<RemoteReward> remote, RemoteReward::Connect(server));
    scorers.push_back(std::move(remote));
  }
  return Of(std::move(scorers));
}

absl::StatusOr<ScorerSet> ScorerSet::Of(std::vector<std::unique_ptr<RewardScorer>> scorers) {
  ScorerSet set;
  for (const auto& scorer : scorers) {
    for (const std::string& name : scorer->names()) {
      if (std::find(set.names_.begin(), set.names_.end(), name) != set.names_.end()) {
        return absl::InvalidArgumentError(absl::StrCat("two sources give the score ", name,
                                                       "; expected names of their own: rename a folder in "
                                                       "reward_models or a score of a remote reward"));
      }
      set.names_.push_back(name);
    }
  }
  set.scorers_ = std::move(scorers);
  return set;
}

absl::StatusOr<std::vector<Scores>> ScorerSet::ScoreAll(std::span<const ScoredText> texts) const {
  const bool has_references =
      std::all_of(texts.begin(), texts.end(), [](const ScoredText& text) { return !text.reference.empty(); });
  std::vector<Scores> all(texts.size());
  for (const auto& scorer : scorers_) {
    if (scorer->needs_reference() && !has_references) continue;
    ASSIGN_OR_RETURN(const auto given, scorer->ScoreAll(texts));
    for (size_t i = 0; i < texts.size(); ++i) {
      for (size_t k = 0; k < scorer->names().size(); ++k) all[i][scorer->names()[k]] = given[i][k];
    }
  }
  return all;
}

}  // namespace trimtab
