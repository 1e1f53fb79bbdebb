#include "trainer/rewards/evaluation.h"

#include <cmath>
#include <numeric>
#include <utility>

#include "model/status_macros.h"
#include "trainer/objective.h"

namespace trimtab {

std::map<std::string, std::vector<double>> RewardsByName(const ClpConfig& clp, std::span<const Scores> scores) {
  std::vector<std::string> names;
  for (const auto& [name, value] : scores[0]) names.push_back(name);
  std::map<std::string, std::vector<double>> rewards;
  for (const size_t reward : ComputableRewards(clp, names)) {
    std::vector<double>& values = rewards[clp.rewards[reward].name];
    for (const Scores& of_text : scores) values.push_back(MapReward(clp, reward, of_text));
  }
  return rewards;
}

absl::StatusOr<std::vector<double>> RegularisedValues(const ClpConfig& clp, const Weighting& weighting,
                                                      std::span<const Scores> scores,
                                                      std::span<const double> log_ratios) {
  std::vector<Outcome> outcomes;
  for (size_t i = 0; i < scores.size(); ++i) {
    ASSIGN_OR_RETURN(std::vector<double> rewards, MapRewards(clp, scores[i]));
    outcomes.push_back({std::move(rewards), log_ratios[i]});
  }
  return Objectives(weighting, outcomes);
}

Estimate MeanOf(std::span<const double> values) {
  const auto count = static_cast<double>(values.size());
  Estimate estimate{.mean = std::accumulate(values.begin(), values.end(), 0.0) / count};
  if (values.size() < 2) return estimate;
  double square = 0.0;
  for (const double value : values) square += (value - estimate.mean) * (value - estimate.mean);
  estimate.error = std::sqrt(square / (count - 1.0) / count);
  return estimate;
}

}  // namespace trimtab
