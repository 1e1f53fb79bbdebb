#include "model/checksum.h"

#include <xxhash.h>

#include "absl/strings/escaping.h"

namespace trimtab {
namespace {

constexpr int kOffsetBits = 44;

}  // namespace

uint64_t ChunkChecksum(uint64_t tensor, uint64_t offset, absl::string_view bytes) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), (tensor << kOffsetBits) + offset);
}

std::string ContentChecksum(std::span<const std::byte> bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(canonical.digest), sizeof(canonical.digest)));
}

}  // namespace trimtab
