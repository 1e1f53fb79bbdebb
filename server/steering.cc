#include "server/steering.h"

#include "absl/strings/str_cat.h"
#include "model/field_error.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

// Normalisation may move a weight that lies on a bound by about this much.
constexpr double kBoundTolerance = 1e-6;

// Where the caller wrote, or did not write, the weight of reward `i`.
std::string WeightField(const SteeringAsked& asked, const ClpConfig& clp, size_t i) {
  if (!asked.preset.empty()) return "preset";
  if (!asked.named_weights.empty()) return absl::StrCat("named_weights[", clp.rewards[i].name, "]");
  return absl::StrCat("weights[", i, "]");
}

absl::Status CheckInside(const ClpConfig& clp, const SteeringBounds& bounds, const Weighting& weighting,
                         const SteeringAsked& asked) {
  if (weighting.alpha() < bounds.alpha_floor - kBoundTolerance) {
    return InvalidField(asked.preset.empty() ? "alpha" : "preset",
                        absl::StrCat("asks for alpha ", weighting.alpha(), "; this server's alpha floor is ",
                                     bounds.alpha_floor, ": ask for that much or more"));
  }
  const bool uniform = asked.preset.empty() && asked.weights.empty() && asked.named_weights.empty();
  for (size_t i = 0; i < clp.rewards.size(); ++i) {
    const auto bound = bounds.rewards.find(clp.rewards[i].name);
    if (bound == bounds.rewards.end()) continue;
    const auto [low, high] = bound->second;
    const double w = weighting.w()[i];
    if (w >= low - kBoundTolerance && w <= high + kBoundTolerance) continue;
    return InvalidField(
        WeightField(asked, clp, i),
        absl::StrCat(uniform ? "(left out, so uniform) " : "", "gives '", clp.rewards[i].name, "' the weight ", w,
                     "; this server's bound for it is [", low, ", ", high, "]: ask for a weight inside"));
  }
  return absl::OkStatus();
}

absl::Status CheckRanges(const SteeringBounds& bounds, const ClpConfig& clp) {
  if (!(bounds.alpha_floor >= 0.0 && bounds.alpha_floor <= 1.0)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the alpha floor is ", bounds.alpha_floor, ": it must be from 0 to 1"));
  }
  for (const auto& [name, range] : bounds.rewards) {
    if (clp.RewardIndex(name) < 0) {
      return absl::FailedPreconditionError(absl::StrCat("a bound names '", name,
                                                        "', which is no reward of this "
                                                        "checkpoint; it has: ",
                                                        clp.RewardNames()));
    }
    if (!(range.low >= 0.0 && range.low <= range.high && range.high <= 1.0)) {
      return absl::FailedPreconditionError(absl::StrCat("the bound of '", name, "' is [", range.low, ", ", range.high,
                                                        "]: it must be 0 <= low <= high <= 1"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckBounds(const SteeringBounds& bounds, const ClpConfig& clp) {
  RETURN_IF_ERROR(CheckRanges(bounds, clp));
  absl::Status first = ResolveSteering(clp, bounds, CoefficientGrid(), SteeringAsked()).status();
  if (first.ok()) return absl::OkStatus();
  for (const auto& [name, preset] : clp.presets) {
    SteeringAsked asked;
    asked.preset = name;
    if (ResolveSteering(clp, bounds, CoefficientGrid(), asked).ok()) return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("the steering bounds exclude the checkpoint's defaults and all of its ", clp.presets.size(),
                   " presets: widen them. For the defaults: ", first.message()));
}

absl::StatusOr<Steering> ResolveSteering(const ClpConfig& clp, const SteeringBounds& bounds,
                                         const CoefficientGrid& grid, const SteeringAsked& asked) {
  ASSIGN_OR_RETURN(Steering steering, ResolveSteering(clp, grid, asked));
  RETURN_IF_ERROR(CheckInside(clp, bounds, steering.weighting, asked));
  return steering;
}

}  // namespace trimtab
