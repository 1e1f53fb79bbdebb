#include "trainer/rewards/calibration.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "model/clp_config.h"
#include "model/status_macros.h"
#include "model/strict_json.h"

namespace trimtab {
namespace {

double Quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(std::floor(place));
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

absl::StatusOr<std::pair<double, double>> Find(const Ranges& ranges, const std::string& reward,
                                               const std::string& score) {
  const auto found = ranges.find(score);
  if (found != ranges.end()) return found->second;
  return absl::NotFoundError(absl::StrCat("reward ", reward, " needs the score ", score,
                                          ", which nothing gave: expected a folder in reward_models, a remote reward, "
                                          "or one of ROUGE's"));
}

}  // namespace

absl::StatusOr<Ranges> QuantileRanges(std::span<const Scores> samples, double low, double high) {
  Ranges ranges;
  for (const auto& [name, unused] : samples[0]) {
    std::vector<double> values;
    for (const Scores& sample : samples) values.push_back(sample.at(name));
    std::sort(values.begin(), values.end());
    const std::pair range(Quantile(values, low), Quantile(values, high));
    if (!(range.first < range.second)) {
      return absl::InvalidArgumentError(absl::StrCat("the score ", name, " is ", range.first,
                                                     " from one end of the range to the other: take more examples, "
                                                     "or wider quantiles"));
    }
    ranges[name] = range;
  }
  return ranges;
}

absl::StatusOr<std::string> WithRanges(absl::string_view clp_json, const Ranges& ranges) {
  ASSIGN_OR_RETURN(const ClpConfig clp, ParseClpConfig(clp_json));
  ASSIGN_OR_RETURN(nlohmann::json object, ParseStrictJson(clp_json, "clp.json"));
  for (size_t i = 0; i < clp.rewards.size(); ++i) {
    const RewardInfo& reward = clp.rewards[i];
    if (reward.composite.empty()) {
      ASSIGN_OR_RETURN(object["rewards"][i]["range"],
                       Find(ranges, reward.name, reward.score.empty() ? reward.name : reward.score));
    }
    for (const auto& [part, unused] : reward.composite) {
      if (clp.RewardIndex(part) >= 0) continue;
      ASSIGN_OR_RETURN(object["score_ranges"][part], Find(ranges, reward.name, part));
    }
  }
  std::string text = object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  RETURN_IF_ERROR(ParseClpConfig(text).status());
  return text;
}

}  // namespace trimtab
