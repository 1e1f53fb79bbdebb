#ifndef TRIMTAB_TRAINER_SUPERVISED_MATCHING_START_H_
#define TRIMTAB_TRAINER_SUPERVISED_MATCHING_START_H_

#include <cstdint>

#include "absl/status/status.h"
#include "model/t5_config.h"
#include "trainer/tensors.h"

namespace trimtab {

// Makes the first encoder layer of a T5 one that tells which tokens occur more than once: its attention looks for the
// other places of each token, and its feed-forward layer adds one direction, the same for all tokens, in proportion to
// how like what was found is. What judges whether a summary follows from its document needs this, and small models do
// not find it by themselves. What the layer had learned is lost; all others stay. InvalidArgument unless num_heads *
// d_kv is d_model and the feed-forward layers are gated, of at least twice d_model.
absl::Status StartByMatching(const T5Config& config, uint64_t seed, NamedTensors& weights);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_SUPERVISED_MATCHING_START_H_
