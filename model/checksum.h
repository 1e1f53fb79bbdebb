#ifndef TRIMTAB_MODEL_CHECKSUM_H_
#define TRIMTAB_MODEL_CHECKSUM_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/strings/string_view.h"

namespace trimtab {

// Of a piece of a tensor on its way: XXH3-64 of the bytes, seeded with their place, so that a piece that was put
// elsewhere is found out too. REQUIRES: tensor < 2^16, offset < 2^44.
uint64_t ChunkChecksum(uint64_t tensor, uint64_t offset, absl::string_view bytes);

// Of a whole tensor or file: XXH3-128, 32 lower-case hex digits. Finds damage, not forgery: that is what Sha256 is for.
std::string ContentChecksum(std::span<const std::byte> bytes);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_CHECKSUM_H_
