#include "server/rim/prewarm.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "model/status_macros.h"
#include "server/rim/load_model.h"

namespace trimtab {
namespace {

bool ParseNumbers(absl::string_view text, std::vector<double>* numbers) {
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    if (!absl::SimpleAtod(part, &numbers->emplace_back())) return false;
  }
  return true;
}

// Takes in "alpha=NUMBER" or "w=NUMBER,...", each at most once.
bool ReadPart(absl::string_view part, SteeringAsked* asked) {
  const std::pair<absl::string_view, absl::string_view> entry = absl::StrSplit(part, absl::MaxSplits('=', 1));
  if (entry.first == "w") return asked->weights.empty() && ParseNumbers(entry.second, &asked->weights);
  return entry.first == "alpha" && !asked->alpha.has_value() && absl::SimpleAtod(entry.second, &asked->alpha.emplace());
}

}  // namespace

absl::StatusOr<SteeringAsked> ParseWeighting(absl::string_view text) {
  SteeringAsked asked;
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ' ', absl::SkipEmpty());
  if (parts.size() == 1 && !absl::StrContains(parts[0], '=')) {
    asked.preset = std::string(parts[0]);
    return asked;
  }
  bool good = !parts.empty();
  for (const absl::string_view part : parts) good = good && ReadPart(part, &asked);
  if (good) return asked;
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is no weighting; expected the name of a preset, or such as 'alpha=0.3 w=0.5,0.5'"));
}

absl::StatusOr<std::vector<Coefficients>> ResolvePrewarm(const ServerOptions& options, const ClpConfig& clp) {
  std::vector<Coefficients> keys;
  for (const std::string& text : options.prewarm) {
    ASSIGN_OR_RETURN(const SteeringAsked asked, ParseWeighting(text));
    const auto steering = ResolveSteering(clp, BoundsOf(options), GridOf(options), asked);
    if (!steering.ok()) {
      return absl::FailedPreconditionError(
          absl::StrCat("prewarm '", text, "' cannot be mixed: ", steering.status().message()));
    }
    keys.push_back(steering->coefficients);
  }
  return keys;
}

}  // namespace trimtab
