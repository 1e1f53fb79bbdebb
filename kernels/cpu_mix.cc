// The mix (paper eq. 3): one pass over memory, whatever the number of sets and the precision.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu_mix.cc"
#include <algorithm>

#include "hwy/foreach_target.h"  // Re-includes this file per target; must come before highway.h.
#include "kernels/cpu_kernels.h"
//
#include "hwy/cache_control.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace trimtab {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
constexpr D d;
constexpr hn::RebindToUnsigned<D> du;
constexpr int64_t kLanes = hn::MaxLanes(d);

// Results of more than so many bytes go past the caches: they would push out more than they are worth.
constexpr int64_t kStreamBytes = 256 << 10;

// Two vectors of floats, from or to 2 * kLanes elements: for bfloat16 one vector of words, low and high halves.
constexpr int64_t kPair = 2 * kLanes;
struct Pair {
  V low, high;
};

HWY_INLINE Pair LoadPair(const float* p) { return {hn::LoadU(d, p), hn::LoadU(d, p + kLanes)}; }
HWY_INLINE Pair LoadPair(const uint16_t* p) {
  const auto words = hn::LoadU(du, reinterpret_cast<const uint32_t*>(p));
  return {hn::BitCast(d, hn::ShiftLeft<16>(words)), hn::BitCast(d, hn::And(words, hn::Set(du, 0xffff0000u)))};
}
HWY_INLINE float Widened(float value) { return value; }
HWY_INLINE float Widened(uint16_t value) { return FromBfloat16(value); }

// Bits whose upper half is the value rounded to nearest even; the values are finite.
HWY_INLINE hn::Vec<decltype(du)> Rounded(V value) {
  const auto bits = hn::BitCast(du, value);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
  return hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7fff)));
}
HWY_INLINE hn::Vec<decltype(du)> Words(const Pair& pair) {
  return hn::Or(hn::ShiftRight<16>(Rounded(pair.low)), hn::And(Rounded(pair.high), hn::Set(du, 0xffff0000u)));
}
HWY_INLINE void StorePair(const Pair& pair, float* out) {
  hn::StoreU(pair.low, d, out);
  hn::StoreU(pair.high, d, out + kLanes);
}
HWY_INLINE void StorePair(const Pair& pair, uint16_t* out) {
  hn::StoreU(Words(pair), du, reinterpret_cast<uint32_t*>(out));
}
HWY_INLINE void StreamPair(const Pair& pair, float* out) {
  hn::Stream(pair.low, d, out);
  hn::Stream(pair.high, d, out + kLanes);
}
HWY_INLINE void StreamPair(const Pair& pair, uint16_t* out) {
  hn::Stream(Words(pair), du, reinterpret_cast<uint32_t*>(out));
}
HWY_INLINE void StoreOne(float value, float* out) { *out = value; }
HWY_INLINE void StoreOne(float value, uint16_t* out) { *out = ToBfloat16(value); }

// Pages end the processor's own prefetching: ask further ahead.
constexpr int64_t kAheadBytes = 1024;
template <int kSets, typename T>
HWY_INLINE void PrefetchSets(const T* const* sets, int num_sets, int64_t i) {
  const int count = kSets > 0 ? kSets : num_sets;
  for (int j = 0; j < count; ++j) {
    const auto* const at = reinterpret_cast<const std::byte*>(sets[j] + i) + kAheadBytes;
    for (size_t line = 0; line < kPair * sizeof(T); line += 64) hwy::Prefetch(at + line);
  }
}

// The sums at elements [i, i + kPair). With kSets > 0 the loop over the sets unrolls.
template <int kSets, typename T>
HWY_INLINE Pair SumAt(const T* const* sets, const float* coefficients, int num_sets, int64_t i) {
  const int count = kSets > 0 ? kSets : num_sets;
  Pair sum = LoadPair(sets[0] + i);
  const V first = hn::Set(d, coefficients[0]);
  sum = {hn::Mul(first, sum.low), hn::Mul(first, sum.high)};
  for (int j = 1; j < count; ++j) {
    const V c = hn::Set(d, coefficients[j]);
    const Pair set = LoadPair(sets[j] + i);
    sum = {hn::MulAdd(c, set.low, sum.low), hn::MulAdd(c, set.high, sum.high)};
  }
  return sum;
}

template <typename T>
float ScalarSumAt(const T* const* sets, const float* coefficients, int num_sets, int64_t i) {
  const hn::CappedTag<float, 1> one;  // Rounds as the vectors do, with fused multiply-add or without.
  auto sum = hn::Mul(hn::Set(one, coefficients[0]), hn::Set(one, Widened(sets[0][i])));
  for (int j = 1; j < num_sets; ++j) {
    sum = hn::MulAdd(hn::Set(one, coefficients[j]), hn::Set(one, Widened(sets[j][i])), sum);
  }
  return hn::GetLane(sum);
}

template <int kSets, typename T>
HWY_NOINLINE void MixElements(const T* const* sets_in, const float* coefficients_in, int num_sets, int64_t n, T* out) {
  const T* sets[kMaxSets];
  float coefficients[kMaxSets];
  std::copy(sets_in, sets_in + num_sets, sets);
  std::copy(coefficients_in, coefficients_in + num_sets, coefficients);
  int64_t i = 0;
  const bool aligned = kLanes > 1 && reinterpret_cast<uintptr_t>(out) % (kLanes * 4) == 0;
  if (aligned && n * static_cast<int64_t>(sizeof(T)) > kStreamBytes) {
    for (; i + kPair <= n; i += kPair) {
      PrefetchSets<kSets>(sets, num_sets, i);
      StreamPair(SumAt<kSets>(sets, coefficients, num_sets, i), out + i);
    }
    hwy::FlushStream();
  }
  for (; i + kPair <= n; i += kPair) StorePair(SumAt<kSets>(sets, coefficients, num_sets, i), out + i);
  for (; i < n; ++i) StoreOne(ScalarSumAt(sets, coefficients, num_sets, i), out + i);
}

template <typename T>
void Mix(const T* const* sets, const float* coefficients, int num_sets, int64_t n, T* out) {
  switch (num_sets) {
    case 1:
      return MixElements<1>(sets, coefficients, num_sets, n, out);
    case 2:
      return MixElements<2>(sets, coefficients, num_sets, n, out);
    case 3:
      return MixElements<3>(sets, coefficients, num_sets, n, out);
    case 4:
      return MixElements<4>(sets, coefficients, num_sets, n, out);
    case 5:
      return MixElements<5>(sets, coefficients, num_sets, n, out);
    default:
      return MixElements<0>(sets, coefficients, num_sets, n, out);
  }
}

// ---- To int8 ------------------------------------------------------------------------------------------------------

constexpr int kPairs = static_cast<int>(kPanel / kPair);

// The largest magnitude of each column of a mixed panel, as far as it has been seen.
struct Tops {
  Pair top[kPairs];

  HWY_INLINE void Raise(int p, const Pair& sum) {
    top[p] = {hn::Max(top[p].low, hn::Abs(sum.low)), hn::Max(top[p].high, hn::Abs(sum.high))};
  }
};

HWY_INLINE Tops NoTops() {
  Tops tops;
  for (Pair& pair : tops.top) pair = {hn::Zero(d), hn::Zero(d)};
  return tops;
}

template <int kSets, typename T>
HWY_NOINLINE Tops TopsOfPanel(const T* const* sets, const float* coefficients, int num_sets, int64_t in) {
  Tops tops = NoTops();
  for (int64_t k = 0; k < in; ++k) {
    for (int p = 0; p < kPairs; ++p) {
      tops.Raise(p, SumAt<kSets>(sets, coefficients, num_sets, k * kPanel + p * kPair));
    }
  }
  return tops;
}

// Added to a float of magnitude up to 127, leaves the nearest integer (ties to even) plus 128 in the low 16 bits.
constexpr float kRounder = 12582912.0f + 128.0f;
constexpr uint32_t kRounderHigh = 0x4b400000u;  // The bits above.

// Four inputs of a vector of outputs to bytes, the first lowest. `rounded` are sums with kRounder.
HWY_INLINE hn::Vec<decltype(du)> Bytes(V r0, V r1, V r2, V r3) {
  const auto low = hn::Xor(hn::BitCast(du, r0), hn::ShiftLeft<8>(hn::BitCast(du, r1)));
  const auto high = hn::Xor(hn::BitCast(du, r2), hn::ShiftLeft<8>(hn::BitCast(du, r3)));
  return hn::Xor(hn::Xor(low, hn::ShiftLeft<16>(high)), hn::Set(du, kRounderHigh ^ (kRounderHigh << 8)));
}

// Groups of four inputs, byte-interleaved per output. With kNext it finds the tops of the next panel meanwhile: one
// pass over memory, which brings into the second cache what the next call mixes again from there.
template <int kSets, bool kNext, typename T>
HWY_NOINLINE Tops QuantizePanel(const T* const* sets, const float* coefficients, int num_sets, int64_t in,
                                const float* inverses, uint8_t* out) {
  const bool aligned = kLanes > 1 && reinterpret_cast<uintptr_t>(out) % (kLanes * 4) == 0;
  const V rounder = hn::Set(d, kRounder);
  Tops tops = NoTops();
  for (int64_t k = 0; k < in; k += 4) {
    const int rows = static_cast<int>(std::min<int64_t>(4, in - k));
    for (int p = 0; p < kPairs; ++p) {
      const V low = hn::LoadU(d, inverses + p * kPair), high = hn::LoadU(d, inverses + p * kPair + kLanes);
      Pair rounded[4] = {{rounder, rounder}, {rounder, rounder}, {rounder, rounder}, {rounder, rounder}};
      for (int j = 0; j < rows; ++j) {
        const int64_t i = (k + j) * kPanel + p * kPair;
        if constexpr (kNext) {
          PrefetchSets<kSets>(sets, num_sets, i + in * kPanel);
          tops.Raise(p, SumAt<kSets>(sets, coefficients, num_sets, i + in * kPanel));
        }
        const Pair sum = SumAt<kSets>(sets, coefficients, num_sets, i);
        rounded[j] = {hn::Add(hn::Mul(sum.low, low), rounder), hn::Add(hn::Mul(sum.high, high), rounder)};
      }
      const auto first = Bytes(rounded[0].low, rounded[1].low, rounded[2].low, rounded[3].low);
      const auto second = Bytes(rounded[0].high, rounded[1].high, rounded[2].high, rounded[3].high);
      uint32_t* const destination = reinterpret_cast<uint32_t*>(out + k * kPanel) + p * kPair;
      if (aligned) {
        hn::Stream(first, du, destination);
        hn::Stream(second, du, destination + kLanes);
      } else {
        hn::StoreU(first, du, destination);
        hn::StoreU(second, du, destination + kLanes);
      }
    }
  }
  return tops;
}

// Writes the scales of a panel whose tops are known, and what its elements are multiplied by.
void ScalesOf(const Tops& tops, float* scales, float* inverses) {
  float values[kPanel];
  for (int p = 0; p < kPairs; ++p) StorePair(tops.top[p], values + p * kPair);
  for (int64_t c = 0; c < kPanel; ++c) {
    const bool zero = values[c] < kLeastQuantizable;
    inverses[c] = zero ? 0.0f : 127.0f / values[c];
    scales[c] = zero ? 0.0f : values[c] / 127.0f;
  }
}

template <int kSets, typename T>
void PanelsToInt8(const std::byte* const* sets_in, const float* coefficients, int num_sets, int64_t in, int64_t panels,
                  std::byte* out) {
  const T* sets[kMaxSets];
  for (int j = 0; j < num_sets; ++j) sets[j] = reinterpret_cast<const T*>(sets_in[j]);
  Tops tops = TopsOfPanel<kSets>(sets, coefficients, num_sets, in);
  for (int64_t p = 0; p < panels; ++p, out += PanelBytes(in, Precision::kInt8)) {
    float inverses[kPanel];
    ScalesOf(tops, reinterpret_cast<float*>(out), inverses);
    auto* const bytes = reinterpret_cast<uint8_t*>(out + kScaleBytes);
    tops = p + 1 < panels ? QuantizePanel<kSets, true>(sets, coefficients, num_sets, in, inverses, bytes)
                          : QuantizePanel<kSets, false>(sets, coefficients, num_sets, in, inverses, bytes);
    for (int j = 0; j < num_sets; ++j) sets[j] += in * kPanel;
  }
  hwy::FlushStream();
}

template <typename T>
void PanelsToInt8(const std::byte* const* sets, const float* coefficients, int num_sets, int64_t in, int64_t panels,
                  std::byte* out) {
  switch (num_sets) {
    case 1:
      return PanelsToInt8<1, T>(sets, coefficients, num_sets, in, panels, out);
    case 2:
      return PanelsToInt8<2, T>(sets, coefficients, num_sets, in, panels, out);
    case 3:
      return PanelsToInt8<3, T>(sets, coefficients, num_sets, in, panels, out);
    case 4:
      return PanelsToInt8<4, T>(sets, coefficients, num_sets, in, panels, out);
    case 5:
      return PanelsToInt8<5, T>(sets, coefficients, num_sets, in, panels, out);
    default:
      return PanelsToInt8<0, T>(sets, coefficients, num_sets, in, panels, out);
  }
}

void AnyPanelsToInt8(const std::byte* const* sets, Precision precision, const float* coefficients, int num_sets,
                     int64_t in, int64_t panels, std::byte* out) {
  if (precision == Precision::kFloat32) return PanelsToInt8<float>(sets, coefficients, num_sets, in, panels, out);
  PanelsToInt8<uint16_t>(sets, coefficients, num_sets, in, panels, out);
}

MixKernels MixTable() { return {Mix<float>, Mix<uint16_t>, AnyPanelsToInt8}; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace trimtab
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trimtab {

HWY_EXPORT(MixTable);

MixKernels ChosenMixKernels() { return HWY_DYNAMIC_DISPATCH(MixTable)(); }

}  // namespace trimtab
#endif  // HWY_ONCE
