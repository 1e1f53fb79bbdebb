// Versions of a checkpoint, as a trainer would publish them.
#ifndef TRIMTAB_BENCH_VERSIONS_H_
#define TRIMTAB_BENCH_VERSIONS_H_

#include "model/checkpoint.h"

namespace trimtab::bench {

// `version` with every tenth element of 16 bits one unit in the last place away: all values stay finite and all tensors
// change. Those of `number` 0 to 9 differ from each other. REQUIRES: published values are bfloat16.
Checkpoint Perturbed(const Checkpoint& version, int number);

}  // namespace trimtab::bench

#endif  // TRIMTAB_BENCH_VERSIONS_H_
