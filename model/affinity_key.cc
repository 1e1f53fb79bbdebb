#include "model/affinity_key.h"

#include <xxhash.h>

#include <bit>

#include "absl/strings/str_cat.h"

namespace trimtab {

static_assert(std::endian::native == std::endian::little, "the key is of little-endian floats");

std::string AffinityKey(std::span<const float> coefficients) {
  return absl::StrCat(absl::Hex(XXH3_64bits(coefficients.data(), coefficients.size_bytes()), absl::kZeroPad16));
}

}  // namespace trimtab
