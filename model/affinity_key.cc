#include "model/affinity_key.h"

#include <xxhash.h>

#include <bit>
#include <cstdint>

#include "absl/strings/str_cat.h"

namespace trimtab {

static_assert(std::endian::native == std::endian::little, "the key is of little-endian floats");

namespace {

std::string Hex(uint64_t hash) { return absl::StrCat(absl::Hex(hash, absl::kZeroPad16)); }

}  // namespace

std::string AffinityKey(std::span<const float> coefficients) {
  return Hex(XXH3_64bits(coefficients.data(), coefficients.size_bytes()));
}

std::string ArticleKey(absl::string_view article) { return Hex(XXH3_64bits(article.data(), article.size())); }

}  // namespace trimtab
