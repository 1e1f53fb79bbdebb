#include "server/steering.h"

#include <cmath>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/field_error.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

// Normalisation may move a weight that lies on a bound by about this much.
constexpr double kBoundTolerance = 1e-6;

// Where the reward weights come from, so that errors name the field the caller wrote.
enum class Source { kUniform, kWeights, kNamed, kPreset };

std::string RewardNames(const ClpConfig& clp) {
  if (clp.rewards.empty()) return "none";
  return absl::StrJoin(clp.rewards, ", ",
                       [](std::string* out, const RewardInfo& reward) { absl::StrAppend(out, reward.name); });
}

// A caller's name, fit for a message.
std::string Shown(absl::string_view name) {
  constexpr size_t kMaxShown = 64;
  return absl::CHexEscape(name.substr(0, kMaxShown));
}

std::string WeightField(Source source, const ClpConfig& clp, size_t i) {
  if (source == Source::kPreset) return "preset";
  if (source == Source::kNamed) return absl::StrCat("named_weights[", clp.rewards[i].name, "]");
  return absl::StrCat("weights[", i, "]");
}

absl::Status CheckExclusive(const SteeringAsked& asked) {
  const bool explicit_weights = !asked.weights.empty() || !asked.named_weights.empty();
  if (!asked.preset.empty() && (explicit_weights || asked.alpha.has_value())) {
    return InvalidField("preset",
                        "was sent together with alpha, weights or named_weights: send the preset alone, or "
                        "leave it out");
  }
  if (!asked.weights.empty() && !asked.named_weights.empty()) {
    return InvalidField("named_weights", "was sent together with weights: send only one of them");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<double>> WeightsByName(const ClpConfig& clp,
                                                  const std::map<std::string, double>& named_weights) {
  std::vector<double> w(clp.rewards.size(), 0.0);
  for (const auto& [name, value] : named_weights) {
    const std::string field = absl::StrCat("named_weights[", Shown(name), "]");
    const int index = clp.RewardIndex(name);
    if (index < 0) {
      return InvalidField(field, absl::StrCat("is no reward of this checkpoint; it has: ", RewardNames(clp)));
    }
    if (!std::isfinite(value) || value < 0.0) {
      return InvalidField(field, absl::StrCat("is ", value, ": a weight is a finite number from 0 to 1"));
    }
    w[index] = value;
  }
  return w;
}

struct Chosen {
  double alpha = 1.0;
  std::vector<double> w;
  Source source = Source::kUniform;
};

absl::StatusOr<Chosen> Choose(const ClpConfig& clp, const SteeringAsked& asked) {
  RETURN_IF_ERROR(CheckExclusive(asked));
  if (!asked.preset.empty()) {
    const auto preset = clp.presets.find(asked.preset);
    if (preset == clp.presets.end()) {
      const std::string known = absl::StrJoin(
          clp.presets, ", ", [](std::string* out, const auto& entry) { absl::StrAppend(out, entry.first); });
      return InvalidField("preset", absl::StrCat("'", Shown(asked.preset), "' is unknown; this checkpoint has: ",
                                                 known.empty() ? "none" : known));
    }
    return Chosen{preset->second.alpha, preset->second.w, Source::kPreset};
  }
  const double alpha = asked.alpha.value_or(clp.default_alpha);
  if (!asked.weights.empty()) return Chosen{alpha, asked.weights, Source::kWeights};
  if (!asked.named_weights.empty()) {
    ASSIGN_OR_RETURN(std::vector<double> w, WeightsByName(clp, asked.named_weights));
    return Chosen{alpha, std::move(w), Source::kNamed};
  }
  const size_t m = clp.rewards.size();
  return Chosen{alpha, std::vector<double>(m, m == 0 ? 0.0 : 1.0 / static_cast<double>(m)), Source::kUniform};
}

// Weighting::Create speaks of weights by position.
absl::Status InCallersWords(const absl::Status& status, Source source) {
  if (source == Source::kPreset) return InvalidField("preset", absl::StrCat("is not valid: ", status.message()));
  if (source != Source::kNamed || FieldOf(status) == "alpha") return status;
  return InvalidField("named_weights",
                      absl::StrCat("make no weighting: ", status.message(), " (rewards not named count as 0)"));
}

absl::Status CheckInside(const ClpConfig& clp, const SteeringBounds& bounds, const Weighting& weighting,
                         Source source) {
  if (weighting.alpha() < bounds.alpha_floor - kBoundTolerance) {
    return InvalidField(source == Source::kPreset ? "preset" : "alpha",
                        absl::StrCat("asks for alpha ", weighting.alpha(), "; this server's alpha floor is ",
                                     bounds.alpha_floor, ": ask for that much or more"));
  }
  for (size_t i = 0; i < clp.rewards.size(); ++i) {
    const auto bound = bounds.rewards.find(clp.rewards[i].name);
    if (bound == bounds.rewards.end()) continue;
    const auto [low, high] = bound->second;
    const double w = weighting.w()[i];
    if (w >= low - kBoundTolerance && w <= high + kBoundTolerance) continue;
    return InvalidField(WeightField(source, clp, i),
                        absl::StrCat(source == Source::kUniform ? "(left out, so uniform) " : "", "gives '",
                                     clp.rewards[i].name, "' the weight ", w, "; this server's bound for it is [", low,
                                     ", ", high, "]: ask for a weight inside"));
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
                                                        RewardNames(clp)));
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
  ASSIGN_OR_RETURN(Chosen chosen, Choose(clp, asked));
  absl::StatusOr<Weighting> weighting =
      Weighting::Create(clp.mixing, static_cast<int>(clp.rewards.size()), chosen.alpha, std::move(chosen.w));
  if (!weighting.ok()) return InCallersWords(weighting.status(), chosen.source);
  RETURN_IF_ERROR(CheckInside(clp, bounds, *weighting, chosen.source));
  Coefficients coefficients = Coefficients::From(clp.mixing, *weighting, grid);
  return Steering{*std::move(weighting), std::move(coefficients)};
}

}  // namespace trimtab
