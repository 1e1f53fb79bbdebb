// Decoding-time realignment (paper, section 4.1.1): what multi-KL CLP is held against. Not parameters but the logits of
// two models are mixed, those of the policy at its alpha_min and those of its reference.
#ifndef TRIMTAB_TRAINER_REWARDS_REALIGNMENT_H_
#define TRIMTAB_TRAINER_REWARDS_REALIGNMENT_H_

#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/backend.h"
#include "model/clp_config.h"
#include "model/engine.h"
#include "model/mixed_weights.h"
#include "model/weighting.h"
#include "trainer/corpora/corpus.h"
#include "trainer/rewards/policy_samples.h"
#include "trainer/rewards/scorer_set.h"
#include "trainer/rewards/written.h"
#include "trimtab/v1/summarizer.pb.h"

namespace trimtab {

// What alphas mean to it: eq. 4 from alpha_min to 1, whatever the policy's own rule is. So one that was trained at a
// single alpha can be realigned too.
MixingRule RealignedRule(const MixingRule& trained);

// (1 - beta) of the policy at alpha_min and the weighting's w, beta of `reference`; one model where the other has no
// part in it. REQUIRES: `weighting` is by RealignedRule of the parameters' rule.
absl::StatusOr<std::vector<LogitExpert>> Realigned(const std::shared_ptr<const Parameters>& parameters,
                                                   const std::shared_ptr<const MixedWeights>& reference,
                                                   const Weighting& weighting, Backend* backend);

// WriteAndScore of what `policy` writes. `clp` is its configuration, with RealignedRule for its mixing.
absl::StatusOr<std::vector<Written>> WriteAndScoreRealigned(PolicySamples& policy, const ClpConfig& clp,
                                                            std::span<const Example> examples,
                                                            const std::vector<v1::Steering>& steerings,
                                                            const v1::GenerationOptions& generation,
                                                            const ScorerSet& scorers);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_REWARDS_REALIGNMENT_H_
