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
using DU16 = hn::Rebind<uint16_t, D>;
using V = hn::Vec<D>;
constexpr D d;
constexpr hn::RebindToSigned<D> di;
constexpr hn::RebindToUnsigned<D> du;
constexpr DU16 du16;
constexpr int64_t kLanes = hn::MaxLanes(d);

// Results of this many bytes go past the caches: they would push out more than they are worth.
constexpr int64_t kStreamBytes = 256 << 10;

HWY_INLINE V LoadWide(const float* p) { return hn::LoadU(d, p); }
HWY_INLINE V LoadWide(const uint16_t* p) {
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(du, hn::LoadU(du16, p))));
}
HWY_INLINE float Widened(float value) { return value; }
HWY_INLINE float Widened(uint16_t value) { return FromBfloat16(value); }

HWY_INLINE void Narrow(V value, float* out) { hn::StoreU(value, d, out); }
HWY_INLINE void NarrowStream(V value, float* out) { hn::Stream(value, d, out); }
// Round to nearest even; the values are finite.
HWY_INLINE hn::Vec<DU16> Rounded(V value) {
  const auto bits = hn::BitCast(du, value);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
  const auto rounded = hn::ShiftRight<16>(hn::Add(hn::Add(bits, hn::Set(du, 0x7fff)), odd));
  return hn::DemoteTo(du16, hn::BitCast(di, rounded));
}
HWY_INLINE void Narrow(V value, uint16_t* out) { hn::StoreU(Rounded(value), du16, out); }
HWY_INLINE void NarrowStream(V value, uint16_t* out) { hn::Stream(Rounded(value), du16, out); }
HWY_INLINE void Narrow(float value, float* out) { *out = value; }
HWY_INLINE void Narrow(float value, uint16_t* out) { *out = ToBfloat16(value); }

// The sum at element i. With kSets > 0 the loop over the sets unrolls.
template <int kSets, typename T>
HWY_INLINE V SumAt(const T* const* sets, const float* coefficients, int num_sets, int64_t i) {
  const int count = kSets > 0 ? kSets : num_sets;
  V sum = hn::Mul(hn::Set(d, coefficients[0]), LoadWide(sets[0] + i));
  for (int j = 1; j < count; ++j) sum = hn::MulAdd(hn::Set(d, coefficients[j]), LoadWide(sets[j] + i), sum);
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
  const bool can_stream = kLanes * sizeof(T) >= 16 && reinterpret_cast<uintptr_t>(out) % (kLanes * sizeof(T)) == 0;
  if (can_stream && n * static_cast<int64_t>(sizeof(T)) >= kStreamBytes) {
    for (; i + kLanes <= n; i += kLanes) NarrowStream(SumAt<kSets>(sets, coefficients, num_sets, i), out + i);
    hwy::FlushStream();
  }
  for (; i + kLanes <= n; i += kLanes) Narrow(SumAt<kSets>(sets, coefficients, num_sets, i), out + i);
  for (; i < n; ++i) Narrow(ScalarSumAt(sets, coefficients, num_sets, i), out + i);
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

// ---- To int8
// ---------------------------------------------------------------------------------------------------------

constexpr int kVectors = static_cast<int>(kPanel / kLanes);

// The mixed panel in `scratch`, and the largest magnitude of each of its columns in `tops`.
template <int kSets, typename T>
HWY_NOINLINE void MixPanel(const T* const* sets, const float* coefficients, int num_sets, int64_t in, float* scratch,
                           float* tops) {
  V top[kVectors];
  for (int c = 0; c < kVectors; ++c) top[c] = hn::Zero(d);
  for (int64_t k = 0; k < in; ++k) {
    for (int c = 0; c < kVectors; ++c) {
      const int64_t i = k * kPanel + c * kLanes;
      const V sum = SumAt<kSets>(sets, coefficients, num_sets, i);
      top[c] = hn::Max(top[c], hn::Abs(sum));
      hn::StoreU(sum, d, scratch + i);
    }
  }
  for (int c = 0; c < kVectors; ++c) hn::StoreU(top[c], d, tops + c * kLanes);
}

// Groups of four inputs, byte-interleaved per output.
HWY_NOINLINE void QuantizePanel(const float* scratch, int64_t in, const float* inverses, uint8_t* out) {
  for (int64_t k = 0; k < in; k += 4) {
    for (int c = 0; c < kVectors; ++c) {
      const V inverse = hn::LoadU(d, inverses + c * kLanes);
      auto four = hn::Zero(du);
      for (int j = 3; j >= 0; --j) {
        auto byte = hn::Set(du, 128);
        if (k + j < in) {
          const V scaled = hn::Mul(hn::LoadU(d, scratch + (k + j) * kPanel + c * kLanes), inverse);
          byte = hn::BitCast(du, hn::Add(hn::NearestInt(scaled), hn::Set(di, 128)));
        }
        four = hn::Or(hn::ShiftLeft<8>(four), byte);
      }
      hn::StoreU(four, du, reinterpret_cast<uint32_t*>(out + k * kPanel) + c * kLanes);
    }
  }
}

template <typename T>
void MixPanelOf(const std::byte* const* sets_in, const float* coefficients, int num_sets, int64_t in, float* scratch,
                float* tops) {
  const T* sets[kMaxSets];
  for (int j = 0; j < num_sets; ++j) sets[j] = reinterpret_cast<const T*>(sets_in[j]);
  switch (num_sets) {
    case 1:
      return MixPanel<1>(sets, coefficients, num_sets, in, scratch, tops);
    case 2:
      return MixPanel<2>(sets, coefficients, num_sets, in, scratch, tops);
    case 3:
      return MixPanel<3>(sets, coefficients, num_sets, in, scratch, tops);
    case 4:
      return MixPanel<4>(sets, coefficients, num_sets, in, scratch, tops);
    default:
      return MixPanel<0>(sets, coefficients, num_sets, in, scratch, tops);
  }
}

void PanelToInt8(const std::byte* const* sets, Precision precision, const float* coefficients, int num_sets, int64_t in,
                 float* scratch, std::byte* out) {
  float tops[kPanel], inverses[kPanel];
  if (precision == Precision::kFloat32) {
    MixPanelOf<float>(sets, coefficients, num_sets, in, scratch, tops);
  } else {
    MixPanelOf<uint16_t>(sets, coefficients, num_sets, in, scratch, tops);
  }
  float* const scales = reinterpret_cast<float*>(out);
  for (int64_t c = 0; c < kPanel; ++c) {
    const bool zero = tops[c] < kLeastQuantizable;
    inverses[c] = zero ? 0.0f : 127.0f / tops[c];
    scales[c] = zero ? 0.0f : tops[c] / 127.0f;
  }
  QuantizePanel(scratch, in, inverses, reinterpret_cast<uint8_t*>(out + kScaleBytes));
}

MixKernels MixTable() { return {Mix<float>, Mix<uint16_t>, PanelToInt8}; }

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
