// Decoding as people write it on libtorch: what rollouts by the serving engine are held against.
#ifndef TRIMTAB_BENCH_TORCH_DECODE_H_
#define TRIMTAB_BENCH_TORCH_DECODE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "model/t5_config.h"
#include "trainer/tensors.h"

namespace trimtab::bench {

// Samples one summary per input at temperature 1: padded inputs, keys and values kept, no gradients, one batch until
// its last sequence has ended or has `max_new_tokens`. Returns how many tokens were written up to each end.
std::vector<int64_t> TorchDecode(const T5Config& config, const NamedTensors& weights,
                                 std::span<const std::vector<int32_t>> inputs, int32_t max_new_tokens);

}  // namespace trimtab::bench

#endif  // TRIMTAB_BENCH_TORCH_DECODE_H_
