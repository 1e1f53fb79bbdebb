#ifndef TRIMTAB_TRAINER_SUPERVISED_BATCHES_H_
#define TRIMTAB_TRAINER_SUPERVISED_BATCHES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace trimtab {

// One pass over all examples in batches of like lengths, so that little of a batch is padding: shuffled, sorted within
// stretches of 50 batches, and the batches shuffled again. What does not fill a batch is left out of this epoch, unless
// it is all there is. Depends on the arguments alone. REQUIRES: lengths is not empty, batch_size > 0.
std::vector<std::vector<size_t>> EpochBatches(std::span<const int32_t> lengths, size_t batch_size, uint64_t seed,
                                              uint64_t epoch);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_SUPERVISED_BATCHES_H_
