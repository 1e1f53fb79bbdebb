#ifndef TRIMTAB_KERNELS_PRECISION_H_
#define TRIMTAB_KERNELS_PRECISION_H_

#include <bit>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trimtab {

// How weight matrices are kept and multiplied. Sums are float32 (int8: int32), activations and vectors float32.
//   kFloat32   as trained
//   kBfloat16  stored as bfloat16 (round to nearest even), widened to float32 before it is multiplied
//   kInt8      weights as round(w / s) in [-127, 127] with one scale s = max|w| / 127 per output; each row of
//              activations likewise with a scale of its own when it is multiplied; products and sums exact in int32
enum class Precision : uint8_t { kFloat32, kBfloat16, kInt8 };

// "float32", "bfloat16", "int8".
absl::string_view PrecisionName(Precision precision);
// InvalidArgument for any other name.
absl::StatusOr<Precision> ParsePrecision(absl::string_view name);

// Inputs of an int8 product, at most: so that its sums fit 32 bits.
inline constexpr int64_t kMaxInt8Depth = 65536;

// Magnitudes below this count as zero in int8, whose scales would not be normal numbers.
inline constexpr float kLeastQuantizable = 1e-30f;

// REQUIRES: `value` is finite.
inline uint16_t ToBfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
inline float FromBfloat16(uint16_t value) { return std::bit_cast<float>(uint32_t{value} << 16); }

}  // namespace trimtab

#endif  // TRIMTAB_KERNELS_PRECISION_H_
