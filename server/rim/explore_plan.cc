#include "server/rim/explore_plan.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/field_error.h"
#include "model/rewards/mapped_rewards.h"
#include "model/status_macros.h"
#include "server/rim/convert.h"

namespace trimtab {
namespace {

constexpr size_t kMaxReferenceBytes = size_t{64} << 10;
constexpr int kMaxObjectives = 8;

absl::Status CheckExploreRequest(const v1::ExploreRequest& request) {
  RETURN_IF_ERROR(CheckArticle(request.article()));
  RETURN_IF_ERROR(CheckServing(request.parameter_digest(), request.execution_path()));
  if (request.reference().size() > kMaxReferenceBytes) {
    return InvalidField("reference", absl::StrCat("has ", request.reference().size(), " bytes; at most ",
                                                  kMaxReferenceBytes, " are accepted"));
  }
  if (request.objectives_size() > kMaxObjectives) {
    return InvalidField("objectives", absl::StrCat("has ", request.objectives_size(), " entries; at most ",
                                                   kMaxObjectives, " are accepted"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Steering>> ResolveList(const SummarizerParts& parts, const ClpConfig& clp,
                                                  const v1::WeightingList& list) {
  if (list.steerings_size() < 1 || list.steerings_size() > kMaxExploredPoints) {
    return InvalidField("list.steerings",
                        absl::StrCat("has ", list.steerings_size(), " entries; expected 1 to ", kMaxExploredPoints));
  }
  std::vector<Steering> points;
  for (int i = 0; i < list.steerings_size(); ++i) {
    const std::string field = absl::StrCat("list.steerings[", i, "]");
    RETURN_IF_ERROR(CheckSteering(field, list.steerings(i)));
    ASSIGN_OR_RETURN(Steering steering, ResolveAt(field, clp, parts.bounds, parts.grid, list.steerings(i)));
    points.push_back(std::move(steering));
  }
  return points;
}

absl::StatusOr<std::vector<Steering>> ResolvePoints(const SummarizerParts& parts, const ClpConfig& clp,
                                                    const v1::ExploreRequest& request) {
  if (request.has_list()) return ResolveList(parts, clp, request.list());
  if (!request.has_grid()) return InvalidField("weightings", "are missing; expected a list or a grid");
  const v1::WeightingGrid& grid = request.grid();
  return ExpandGrid(clp, parts.bounds, parts.grid,
                    {.divisions = grid.divisions(),
                     .alphas = {grid.alphas().begin(), grid.alphas().end()},
                     .alpha_sweep = grid.alpha_sweep()});
}

std::vector<std::string> NamesOf(const std::vector<const RewardScorer*>& scorers) {
  std::vector<std::string> names;
  for (const RewardScorer* scorer : scorers) {
    names.insert(names.end(), scorer->names().begin(), scorer->names().end());
  }
  return names;
}

// The checkpoint's own rewards where they are known, else what there is to trade with a reference.
std::vector<std::string> DefaultObjectives(const ClpConfig& clp, const ExplorePlan& plan) {
  std::vector<std::string> objectives;
  if (!clp.rewards.empty() && plan.rewards.size() == clp.rewards.size()) {
    for (const RewardInfo& reward : clp.rewards) objectives.push_back(RewardScoreName(reward));
    return objectives;
  }
  const std::vector<std::string> scores = NamesOf(plan.scorers);
  for (const char* name : {"rouge_lsum_precision", "rouge_lsum_recall"}) {
    if (std::find(scores.begin(), scores.end(), name) != scores.end()) objectives.emplace_back(name);
  }
  return objectives;
}

absl::StatusOr<std::vector<std::string>> ResolveObjectives(const v1::ExploreRequest& request,
                                                           const std::vector<std::string>& scores) {
  std::vector<std::string> objectives(request.objectives().begin(), request.objectives().end());
  for (size_t i = 0; i < objectives.size(); ++i) {
    const std::string field = absl::StrCat("objectives[", i, "]");
    const std::string shown = absl::CHexEscape(objectives[i].substr(0, kMaxNameBytes));
    if (std::find(scores.begin(), scores.end(), objectives[i]) == scores.end()) {
      return InvalidField(field,
                          absl::StrCat("'", shown, "' is no score of this request; it has: ",
                                       scores.empty() ? "none, as it has no reference" : absl::StrJoin(scores, ", ")));
    }
    if (std::find(objectives.begin(), objectives.begin() + i, objectives[i]) != objectives.begin() + i) {
      return InvalidField(field, absl::StrCat("'", shown, "' is there twice; name each score once"));
    }
  }
  return objectives;
}

// Decides what points are scored by.
absl::Status PlanScores(const SummarizerParts& parts, const v1::ExploreRequest& request, ExplorePlan* plan) {
  const ClpConfig& clp = plan->parameters->clp();
  for (const RewardScorer* scorer : parts.scorers) {
    if (!scorer->needs_reference() || !request.reference().empty()) plan->scorers.push_back(scorer);
  }
  std::vector<std::string> names = NamesOf(plan->scorers);
  plan->rewards = ComputableRewards(clp, names);
  if (request.objectives().empty()) {
    plan->objectives = DefaultObjectives(clp, *plan);
    return absl::OkStatus();
  }
  for (const size_t reward : plan->rewards) names.push_back(RewardScoreName(clp.rewards[reward]));
  ASSIGN_OR_RETURN(plan->objectives, ResolveObjectives(request, names));
  return absl::OkStatus();
}

int32_t PointsAtOnce(const RequestLimits& limits, const GenerationOptions& options, size_t points) {
  const int32_t places = std::max(1, std::min(limits.max_rows_at_once / options.num_beams, limits.max_waiting));
  return std::min(places, static_cast<int32_t>(points));
}

}  // namespace

std::string RewardScoreName(const RewardInfo& reward) { return absl::StrCat("reward_", reward.name); }

absl::StatusOr<ExplorePlan> PlanExploration(const SummarizerParts& parts, const v1::ExploreRequest& request) {
  RETURN_IF_ERROR(CheckExploreRequest(request));
  ExplorePlan plan;
  ASSIGN_OR_RETURN(plan.parameters, ParametersOf(parts, request.parameter_digest()));
  const ClpConfig& clp = plan.parameters->clp();
  ASSIGN_OR_RETURN(std::vector<Steering> asked, ResolvePoints(parts, clp, request));
  ASSIGN_OR_RETURN(plan.options, OptionsFromProto(request.options(), plan.parameters->generation(),
                                                  plan.parameters->config().vocab_size, parts.limits));
  ASSIGN_OR_RETURN(plan.path, PathFromProto(request.execution_path(), parts.limits));
  RETURN_IF_ERROR(PlanScores(parts, request, &plan));
  plan.article = request.article();
  plan.reference = request.reference();
  plan.asked = static_cast<int32_t>(asked.size());
  plan.points = DistinctPoints(clp, std::move(asked));
  plan.at_once = PointsAtOnce(parts.limits, plan.options, plan.points.size());
  return plan;
}

}  // namespace trimtab
