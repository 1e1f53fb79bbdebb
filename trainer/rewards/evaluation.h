// What evaluation reports, out of scores and log-ratios. Pure functions on numbers.
#ifndef TRIMTAB_TRAINER_REWARDS_EVALUATION_H_
#define TRIMTAB_TRAINER_REWARDS_EVALUATION_H_

#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/clp_config.h"
#include "model/rewards/mapped_rewards.h"
#include "model/weighting.h"

namespace trimtab {

// Reward name -> its value for each text, for those rewards of `clp` that the scores give. REQUIRES: at least one text,
// all with the same scores.
std::map<std::string, std::vector<double>> RewardsByName(const ClpConfig& clp, std::span<const Scores> scores);

// (1 - alpha) w.R - alpha log_ratio of each text: its mean is the KL-regularised value that training maximises.
// NotFound when a reward has no score.
absl::StatusOr<std::vector<double>> RegularisedValues(const ClpConfig& clp, const Weighting& weighting,
                                                      std::span<const Scores> scores,
                                                      std::span<const double> log_ratios);

struct Estimate {
  double mean = 0.0;
  double error = 0.0;  // Standard error of the mean; 0 for a single value.
};
// REQUIRES: at least one value.
Estimate MeanOf(std::span<const double> values);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_REWARDS_EVALUATION_H_
