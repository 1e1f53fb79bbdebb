// Which scores map to 0 and to 1: measured on a corpus, so that no reward outweighs another by its scale alone.
#ifndef TRIMTAB_TRAINER_REWARDS_CALIBRATION_H_
#define TRIMTAB_TRAINER_REWARDS_CALIBRATION_H_

#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/rewards/mapped_rewards.h"

namespace trimtab {

using Ranges = std::map<std::string, std::pair<double, double>>;  // By score: what maps to 0, and to 1.

// The quantiles `low` and `high` of each score, interpolated. InvalidArgument when they are equal, naming the score: it
// says nothing on this corpus. REQUIRES: 0 <= low < high <= 1, all samples have the same names, at least one sample.
absl::StatusOr<Ranges> QuantileRanges(std::span<const Scores> samples, double low, double high);

// clp.json with `ranges` in the place of those of its plain rewards and of what its composites are made of; all else
// stays as it is. NotFound when a reward's score is not among them.
absl::StatusOr<std::string> WithRanges(absl::string_view clp_json, const Ranges& ranges);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_REWARDS_CALIBRATION_H_
