#include "client/commands/steering_flags.h"

#include <map>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

absl::StatusOr<v1::Steering> ParseWeights(const std::string& text) {
  v1::Steering steering;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    double weight = 0.0;
    if (!absl::SimpleAtod(part, &weight)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--weights '", text, "' is no list of numbers; expected one per reward, such as 0.5,0.5"));
    }
    steering.add_weights(weight);
  }
  return steering;
}

absl::StatusOr<v1::Steering> ParseNamed(const std::string& text) {
  v1::Steering steering;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const std::pair<std::string, std::string> entry = absl::StrSplit(part, absl::MaxSplits('=', 1));
    double weight = 0.0;
    if (entry.first.empty() || !absl::SimpleAtod(entry.second, &weight) ||
        !steering.mutable_named_weights()->insert({entry.first, weight}).second) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--named '", text, "' is no list of weights; expected each reward once, such as brief=0.25,full=0.75"));
    }
  }
  return steering;
}

absl::StatusOr<std::vector<v1::Steering>> WithAlphas(std::vector<v1::Steering> steerings,
                                                     const std::vector<double>& alphas) {
  if (alphas.empty()) return steerings;
  if (steerings.size() == 1) steerings.resize(alphas.size(), v1::Steering(steerings.front()));
  if (alphas.size() != 1 && alphas.size() != steerings.size()) {
    return absl::InvalidArgumentError(absl::StrCat("--alpha was given ", alphas.size(), " times for ", steerings.size(),
                                                   " weightings; give it once, or once for each"));
  }
  for (size_t i = 0; i < steerings.size(); ++i) steerings[i].set_alpha(alphas[alphas.size() == 1 ? 0 : i]);
  return steerings;
}

}  // namespace

void SteeringFlags::AddTo(CLI::App& app) {
  const auto add = [&app](const char* name, auto& value, const char* type, const char* help) {
    app.add_option(name, value, help)->type_name(type)->allow_extra_args(false)->group("Steering");
  };
  add("--weights", weights_, "W,W,...",
      "Reward weights in the checkpoint's order, each >= 0, summing to 1. Repeatable: one summary each. Default: "
      "uniform");
  add("--named", named_, "NAME=W,...", "The same by reward name; rewards not named get 0. Repeatable");
  add("--preset", presets_, "NAME", "A weighting the checkpoint names. Repeatable");
  add("--alpha", alphas_, "ALPHA",
      "KL weight, alpha_min (furthest from the reference) to 1 (the reference). Once for all weightings, once for "
      "each, or "
      "several for one weighting. Default: the checkpoint's");
}

absl::StatusOr<std::vector<v1::Steering>> SteeringFlags::Parse() const {
  std::vector<v1::Steering> steerings;
  for (const std::string& text : weights_) {
    ASSIGN_OR_RETURN(v1::Steering steering, ParseWeights(text));
    steerings.push_back(std::move(steering));
  }
  for (const std::string& text : named_) {
    ASSIGN_OR_RETURN(v1::Steering steering, ParseNamed(text));
    steerings.push_back(std::move(steering));
  }
  for (const std::string& name : presets_) steerings.emplace_back().set_preset(name);
  if (steerings.empty()) steerings.emplace_back();
  return WithAlphas(std::move(steerings), alphas_);
}

std::string Label(const v1::Steering& asked) {
  std::string label;
  if (!asked.preset().empty()) {
    label = absl::StrCat("preset ", asked.preset());
  } else if (asked.weights_size() > 0) {
    label = absl::StrCat("weights ", absl::StrJoin(asked.weights(), ","));
  } else if (!asked.named_weights().empty()) {
    const std::map<std::string, double> sorted(asked.named_weights().begin(), asked.named_weights().end());
    label = absl::StrJoin(sorted, ",", absl::PairFormatter("="));
  } else {
    label = "uniform weights";
  }
  if (asked.has_alpha()) absl::StrAppend(&label, " alpha ", asked.alpha());
  return label;
}

std::string Label(const v1::AppliedWeighting& applied) {
  return absl::StrCat("weights ", WeightsText(applied), " alpha ", absl::StrFormat("%.4g", applied.alpha()));
}

std::string WeightsText(const v1::AppliedWeighting& applied) {
  return absl::StrJoin(applied.weights(), ",",
                       [](std::string* out, double weight) { absl::StrAppendFormat(out, "%.4g", weight); });
}

}  // namespace trimtab
