#ifndef TRIMTAB_TESTS_TESTING_TWO_REWARDS_H_
#define TRIMTAB_TESTS_TESTING_TWO_REWARDS_H_

#include "model/clp_config.h"

namespace trimtab {

// Rewards "nli" and "rouge", and a preset "concise".
inline ClpConfig TwoRewards() {
  ClpConfig clp;
  clp.rewards.resize(2);
  clp.rewards[0].name = "nli";
  clp.rewards[1].name = "rouge";
  clp.mixing = {MixingKind::kSoftmdp, 0.01};
  clp.default_alpha = 0.1;
  clp.presets["concise"] = {.alpha = 0.05, .w = {0.2, 0.8}, .description = ""};
  return clp;
}

}  // namespace trimtab

#endif  // TRIMTAB_TESTS_TESTING_TWO_REWARDS_H_
