#ifndef TRIMTAB_MODEL_RELATIVE_BIAS_H_
#define TRIMTAB_MODEL_RELATIVE_BIAS_H_

#include <cstdint>
#include <vector>

#include "model/t5_config.h"

namespace trimtab {

// T5's bucket of `distance` = key position - query position. The encoder is bidirectional (half the buckets for keys
// to the right); the decoder sees only the past, so keys to the right share bucket 0.
int32_t RelativeBucket(int32_t distance, bool bidirectional, int32_t buckets, int32_t max_distance);

// Spreads a stored table (buckets, heads) to the form the kernels read, (heads, 2 * reach + 1) by clipped distance,
// reach = config.relative_max_distance: from there on every distance falls into the last bucket.
std::vector<float> ExpandRelativeBias(const std::vector<float>& table, const T5Config& config, bool bidirectional);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_RELATIVE_BIAS_H_
