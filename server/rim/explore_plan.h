#ifndef TRIMTAB_SERVER_RIM_EXPLORE_PLAN_H_
#define TRIMTAB_SERVER_RIM_EXPLORE_PLAN_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/clp_config.h"
#include "model/rewards/reward_scorer.h"
#include "server/exploration.h"
#include "server/rim/summarizer_service.h"
#include "trimtab/v1/summarizer.pb.h"

namespace trimtab {

// A valid exploration: what to compute, how, and what to judge it by.
struct ExplorePlan {
  std::string article;
  std::string reference;
  std::shared_ptr<const Parameters> parameters;
  GenerationOptions options;
  std::optional<ExecutionPath> path;
  int32_t asked = 0;
  std::vector<DistinctPoint> points;         // At least one.
  std::vector<const RewardScorer*> scorers;  // Those that can score here.
  std::vector<size_t> rewards;               // Of the checkpoint: those that follow from the scores.
  std::vector<std::string> objectives;       // Names of scores, or of rewards as RewardScoreName gives them.
  int32_t at_once = 1;                       // Points in the scheduler at a time.
};

// How a reply names the value of a reward of the checkpoint among its scores: "reward_<name>".
std::string RewardScoreName(const RewardInfo& reward);

// Validates `request` against what is served now. InvalidArgument with the field at fault, before anything is allocated
// in proportion to what is asked; FailedPrecondition when the pinned parameters are not held. Pure.
absl::StatusOr<ExplorePlan> PlanExploration(const SummarizerParts& parts, const v1::ExploreRequest& request);

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_EXPLORE_PLAN_H_
