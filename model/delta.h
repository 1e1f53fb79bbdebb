// What changed between two states of one tensor, without loss.
#ifndef TRIMTAB_MODEL_DELTA_H_
#define TRIMTAB_MODEL_DELTA_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace trimtab {

// One zstd frame; its content, little endian:
//   number of changed elements    64 bits
//   for each, its distance        base-128 varint; the first one's: its index
//   for each, old XOR new         all first bytes, then all second bytes, and so on
// Near values share sign, exponent and leading bits, so the upper planes are almost all zeros.
// REQUIRES: old_bytes and new_bytes have the same size, a multiple of `element_bytes` (2 or 4).
std::string EncodeDelta(std::span<const std::byte> old_bytes, std::span<const std::byte> new_bytes, int element_bytes);

// Turns the old state in `tensor` into the new one. InvalidArgument for a frame that is none, states no content size,
// or whose content does not fit the tensor; `tensor` is then unspecified. Takes at most MaxDeltaBytes of memory.
absl::Status ApplyDelta(absl::string_view delta, int element_bytes, std::span<std::byte> tensor);

// Bound of a delta, packed or not.
uint64_t MaxDeltaBytes(uint64_t elements, int element_bytes);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_DELTA_H_
