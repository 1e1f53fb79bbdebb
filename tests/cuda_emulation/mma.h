// The tensor cores' multiply-add of a warp, with operands spread over the lanes as the PTX manual says (section "Matrix
// fragments for mma"). All shapes are alike if a 32-bit word of an operand counts as one column: A is (16, 8) words, B
// is (8, 8), and 1 (tf32), 2 (bfloat16) or 4 (int8) values in a word are multiplied pairwise.
#ifndef TRIMTAB_TESTS_CUDA_EMULATION_MMA_H_
#define TRIMTAB_TESTS_CUDA_EMULATION_MMA_H_

#include <bit>
#include <cstdint>
#include <source_location>

#include "tests/cuda_emulation/block.h"

namespace cuda_emulation {

struct MultiplyOperands {
  uint32_t a[4], b[2];
};

inline float Dot(float sum, uint32_t a, uint32_t b, const float* /*tf32*/) {
  const auto tf32 = [](uint32_t word) { return std::bit_cast<float>(word & 0xffffe000u); };
  return sum + tf32(a) * tf32(b);
}
inline float Dot(float sum, uint32_t a, uint32_t b, const uint16_t* /*bfloat16*/) {
  for (int shift : {16, 0}) {
    sum += std::bit_cast<float>(a << shift & 0xffff0000u) * std::bit_cast<float>(b << shift & 0xffff0000u);
  }
  return sum;
}
inline int32_t Dot(int32_t sum, uint32_t a, uint32_t b, const int8_t*) {
  for (int shift = 0; shift < 32; shift += 8) {
    sum += static_cast<int8_t>(a >> shift) * static_cast<int8_t>(b >> shift);
  }
  return sum;
}

// d += a b, all 32 lanes together. `Value` is float (tf32), uint16_t (bfloat16) or int8_t.
template <typename Value, typename Sum>
void MultiplyAdd(const uint32_t (&a)[4], const uint32_t (&b)[2], Sum (&d)[4],
                 std::source_location place = std::source_location::current()) {
  const MultiplyOperands mine{{a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
  const auto* lanes = static_cast<const MultiplyOperands*>(Exchange(&mine, sizeof(mine), place));
  const unsigned lane = threadIdx.x % kWarp, group = lane / 4, in_group = lane % 4;
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned column = in_group * 2 + i % 2;
    for (unsigned word = 0; word < 8; ++word) {
      const uint32_t left = lanes[group * 4 + word % 4].a[i / 2 + 2 * (word / 4)];
      const uint32_t right = lanes[column * 4 + word % 4].b[word / 4];
      d[i] = Dot(d[i], left, right, static_cast<const Value*>(nullptr));
    }
  }
}

}  // namespace cuda_emulation

#endif  // TRIMTAB_TESTS_CUDA_EMULATION_MMA_H_
