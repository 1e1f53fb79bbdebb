#include "model/steering.h"

#include <cmath>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/field_error.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

// Where the reward weights come from, so that errors name the field the caller wrote.
enum class Source { kUniform, kWeights, kNamed, kPreset };

// A caller's name, fit for a message.
std::string Shown(absl::string_view name) {
  constexpr size_t kMaxShown = 64;
  return absl::CHexEscape(name.substr(0, kMaxShown));
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
      return InvalidField(field, absl::StrCat("is no reward of this checkpoint; it has: ", clp.RewardNames()));
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

}  // namespace

absl::StatusOr<Steering> ResolveSteering(const ClpConfig& clp, const CoefficientGrid& grid,
                                         const SteeringAsked& asked) {
  ASSIGN_OR_RETURN(Chosen chosen, Choose(clp, asked));
  absl::StatusOr<Weighting> weighting =
      Weighting::Create(clp.mixing, static_cast<int>(clp.rewards.size()), chosen.alpha, std::move(chosen.w));
  if (!weighting.ok()) return InCallersWords(weighting.status(), chosen.source);
  Coefficients coefficients = Coefficients::From(clp.mixing, *weighting, grid);
  return Steering{*std::move(weighting), std::move(coefficients)};
}

}  // namespace trimtab
