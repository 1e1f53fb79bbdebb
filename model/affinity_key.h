#ifndef TRIMTAB_MODEL_AFFINITY_KEY_H_
#define TRIMTAB_MODEL_AFFINITY_KEY_H_

#include <span>
#include <string>

#include "absl/strings/string_view.h"

namespace trimtab {

// gRPC metadata (HTTP/2 header) that carries the key.
inline constexpr char kAffinityHeader[] = "x-trimtab-affinity";

// What requests that need the same mixed weights have in common, for routers to hash on: equal for equal coefficients,
// whoever computes it. 16 lower-case hex digits of the XXH3 64-bit hash (seed 0) of the coefficients as little-endian
// float32 in order. A public contract: it never changes. Pure.
std::string AffinityKey(std::span<const float> coefficients);

// Likewise for an exploration, which needs many mixed weights: of its article's bytes, so that explorations spread over
// servers, and one that is asked for again finds its mixed weights. Pure.
std::string ArticleKey(absl::string_view article);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_AFFINITY_KEY_H_
