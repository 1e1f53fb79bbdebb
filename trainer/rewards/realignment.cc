#include "trainer/rewards/realignment.h"

#include <utility>

#include "client/affinity.h"
#include "model/status_macros.h"
#include "model/steering.h"

namespace trimtab {

MixingRule RealignedRule(const MixingRule& trained) { return {MixingKind::kSoftmdp, trained.alpha_min}; }

absl::StatusOr<std::vector<LogitExpert>> Realigned(const std::shared_ptr<const Parameters>& parameters,
                                                   const std::shared_ptr<const MixedWeights>& reference,
                                                   const Weighting& weighting, Backend* backend) {
  const MixingRule& trained = parameters->clp().mixing;
  const float beta = Coefficients::From(RealignedRule(trained), weighting, {}).values().back();
  std::vector<LogitExpert> models;
  if (beta < 1.0f) {
    const auto rewards = static_cast<int>(weighting.w().size());
    ASSIGN_OR_RETURN(const Weighting least, Weighting::Create(trained, rewards, trained.alpha_min, weighting.w()));
    ASSIGN_OR_RETURN(auto policy, MixedWeights::Mix(parameters, Coefficients::From(trained, least, {}), backend));
    models.push_back({std::move(policy), 1.0f - beta});
  }
  if (beta > 0.0f) models.push_back({reference, beta});
  return models;
}

absl::StatusOr<std::vector<Written>> WriteAndScoreRealigned(PolicySamples& policy, const ClpConfig& clp,
                                                            std::span<const Example> examples,
                                                            const std::vector<v1::Steering>& steerings,
                                                            const v1::GenerationOptions& generation,
                                                            const ScorerSet& scorers) {
  std::vector<Written> all;
  for (const v1::Steering& steering : steerings) {
    ASSIGN_OR_RETURN(const Steering resolved, ResolveSteering(clp, {}, SteeringOf(steering)));
    const Weighting& weighting = resolved.weighting;
    const std::vector<float>& c = resolved.coefficients.values();
    Written& written = all.emplace_back();
    written.weighting.set_alpha(weighting.alpha());
    written.weighting.mutable_weights()->Assign(weighting.w().begin(), weighting.w().end());
    written.weighting.mutable_coefficients()->Assign(c.begin(), c.end());
    ASSIGN_OR_RETURN(written.summaries, policy.Write(examples, weighting, generation));
    ASSIGN_OR_RETURN(written.scores, scorers.ScoreAll(TextsOf(examples, written.summaries)));
  }
  return all;
}

}  // namespace trimtab
