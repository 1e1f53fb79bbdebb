#include "model/rewards/mapped_rewards.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace trimtab {
namespace {

double ToUnit(double value, double low, double high) { return (value - low) / (high - low); }

// A score and the range that maps it.
struct Part {
  std::string score;
  double low = 0.0;
  double high = 1.0;
  double weight = 1.0;
};

Part PartOf(const ClpConfig& clp, const std::string& name, double weight) {
  const int index = clp.RewardIndex(name);
  if (index < 0) {
    const auto [low, high] = clp.score_ranges.at(name);  // ParseClpConfig saw to it.
    return {name, low, high, weight};
  }
  const RewardInfo& reward = clp.rewards[index];
  return {reward.score.empty() ? reward.name : reward.score, reward.range_low, reward.range_high, weight};
}

std::vector<Part> PartsOf(const ClpConfig& clp, size_t index) {
  const RewardInfo& reward = clp.rewards[index];
  if (reward.composite.empty()) return {PartOf(clp, reward.name, 1.0)};
  std::vector<Part> parts;
  for (const auto& [name, weight] : reward.composite) parts.push_back(PartOf(clp, name, weight));
  return parts;
}

}  // namespace

std::vector<std::string> ScoresOf(const ClpConfig& clp, size_t index) {
  std::vector<std::string> names;
  for (const Part& part : PartsOf(clp, index)) names.push_back(part.score);
  return names;
}

double MapReward(const ClpConfig& clp, size_t index, const Scores& scores) {
  double sum = 0.0;
  for (const Part& part : PartsOf(clp, index)) {
    sum += part.weight * ToUnit(scores.find(part.score)->second, part.low, part.high);
  }
  const RewardInfo& reward = clp.rewards[index];
  return reward.composite.empty() ? sum : ToUnit(sum, reward.range_low, reward.range_high);
}

std::vector<size_t> ComputableRewards(const ClpConfig& clp, const std::vector<std::string>& names) {
  std::vector<size_t> computable;
  for (size_t i = 0; i < clp.rewards.size(); ++i) {
    const std::vector<Part> parts = PartsOf(clp, i);
    const bool all = std::all_of(parts.begin(), parts.end(), [&](const Part& part) {
      return std::find(names.begin(), names.end(), part.score) != names.end();
    });
    if (all) computable.push_back(i);
  }
  return computable;
}

absl::StatusOr<std::vector<double>> MapRewards(const ClpConfig& clp, const Scores& scores) {
  std::vector<double> mapped;
  for (size_t i = 0; i < clp.rewards.size(); ++i) {
    for (const Part& part : PartsOf(clp, i)) {
      if (scores.contains(part.score)) continue;
      return absl::NotFoundError(absl::StrCat("reward ", clp.rewards[i].name, " needs the score ", part.score,
                                              ", which nothing gives: expected one of ROUGE's, words, "
                                              "brevity, grounding, that of a folder in "
                                              "reward_models, or of a remote reward"));
    }
    mapped.push_back(MapReward(clp, i, scores));
  }
  return mapped;
}

}  // namespace trimtab
