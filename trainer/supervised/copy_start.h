#ifndef TRIMTAB_TRAINER_SUPERVISED_COPY_START_H_
#define TRIMTAB_TRAINER_SUPERVISED_COPY_START_H_

#include <cstdint>

#include "absl/status/status.h"
#include "model/t5_config.h"
#include "trainer/tensors.h"

namespace trimtab {

// Makes a randomly initialised T5 one that copies: the first encoder layer adds to each token a rotation of the one
// before it, and the first cross-attention of the decoder looks for the token that follows the last one written, and
// writes it. Small models trained from nothing on little text find this by themselves only after thousands of steps.
// Every other output projection starts small. InvalidArgument unless num_heads * d_kv is d_model.
absl::Status StartByCopying(const T5Config& config, uint64_t seed, NamedTensors& weights);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_SUPERVISED_COPY_START_H_
