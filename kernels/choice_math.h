// What a choice of tokens counts in, in integers, so that sums do not depend on their order: a GPU keeps and draws the
// very token that the host does. Compiles for both; no multiply-add is fused.
#ifndef TRIMTAB_KERNELS_CHOICE_MATH_H_
#define TRIMTAB_KERNELS_CHOICE_MATH_H_

#include <cstdint>

#ifdef __CUDACC__
#define TRIMTAB_HOST_AND_DEVICE __host__ __device__
#else
#define TRIMTAB_HOST_AND_DEVICE
#endif

namespace trimtab {

inline constexpr int kTokenIdBits = 24;  // Of a vocabulary, at most.
inline constexpr int kMassBits = 40;     // Of the likeliest token's mass: a vocabulary's masses sum to less than 2^64.

// Orders tokens: the larger score first, then the smaller id. REQUIRES: not NaN.
TRIMTAB_HOST_AND_DEVICE inline uint64_t TokenKey(float score, int32_t id) {
  constexpr uint32_t kSign = 0x80000000u, kLastId = (1u << kTokenIdBits) - 1;
  const uint32_t bits = __builtin_bit_cast(uint32_t, score + 0.0f);  // -0 counts as 0.
  const uint32_t ordered = bits & kSign ? ~bits : bits | kSign;
  return uint64_t{ordered} << kTokenIdBits | (kLastId - static_cast<uint32_t>(id));
}
TRIMTAB_HOST_AND_DEVICE inline int32_t TokenOf(uint64_t key) {
  constexpr uint64_t kLastId = (1u << kTokenIdBits) - 1;
  return static_cast<int32_t>(kLastId - (key & kLastId));
}

// 2^40 exp((score - best) / temperature), rounded down; relative error 1e-6 where it is large. REQUIRES: score <= best.
struct TokenMass {
  float best;
  float inverse_temperature;

  TRIMTAB_HOST_AND_DEVICE uint64_t operator()(float score) const {
    const float x = (score - best) * inverse_temperature;
    if (!(x > -27.75f)) return 0;  // Too little, forbidden, or all are.
    const float doublings = x * 1.44269504f;
    const int halvings = static_cast<int>(0.5f - doublings);
    const float r = (doublings + static_cast<float>(halvings)) * 0.693147181f;  // In [-0.35, 0.35].
    const float exp_r =
        1.0f +
        r * (1.0f +
             r * (0.5f + r * (1.0f / 6 + r * (1.0f / 24 + r * (1.0f / 120 + r * (1.0f / 720 + r * (1.0f / 5040)))))));
    return static_cast<uint64_t>(exp_r * 0x1p24f) << (kMassBits - 24) >> halvings;
  }
};

// The mass that the likeliest tokens have to reach, of `total`: at least 1, at most all. REQUIRES: total > 0, top_p >
// 0.
TRIMTAB_HOST_AND_DEVICE inline uint64_t MassWithin(float top_p, uint64_t total) {
  const double asked = static_cast<double>(top_p) * static_cast<double>(total);
  if (!(asked < 0x1p64) || static_cast<uint64_t>(asked) >= total) return total;
  const auto whole = static_cast<uint64_t>(asked);
  return static_cast<double>(whole) < asked || whole == 0 ? whole + 1 : whole;
}

// floor(random / 2^64 * total): uniform in [0, total) to 2^-64.
TRIMTAB_HOST_AND_DEVICE inline uint64_t PointWithin(uint64_t random, uint64_t total) {
  const uint64_t high = random >> 32, low = random & 0xffffffffu, t_high = total >> 32, t_low = total & 0xffffffffu;
  const uint64_t middle = high * t_low + (low * t_low >> 32), other = low * t_high + (middle & 0xffffffffu);
  return high * t_high + (middle >> 32) + (other >> 32);
}

}  // namespace trimtab

#endif  // TRIMTAB_KERNELS_CHOICE_MATH_H_
