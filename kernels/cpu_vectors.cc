// Norms, activations and attention over rows of floats.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu_vectors.cc"
#include <algorithm>
#include <cmath>

#include "hwy/foreach_target.h"  // Re-includes this file per target; must come before highway.h.
#include "kernels/cpu_kernels.h"
//
#include "hwy/cache_control.h"
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace trimtab {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
constexpr D d;
constexpr int64_t kLanes = hn::MaxLanes(d);
using V = hn::Vec<D>;

// ---- Vectors -----------------------------------------------------------------------------------------------------

float Dot(const float* a, const float* b, int64_t n) {
  V sum = hn::Zero(d);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) sum = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), sum);
  float total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < n; ++i) total = std::fma(a[i], b[i], total);
  return total;
}

void AddScaled(float scale, const float* x, int64_t n, float* y) {
  const V scales = hn::Set(d, scale);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    hn::StoreU(hn::MulAdd(scales, hn::LoadU(d, x + i), hn::LoadU(d, y + i)), d, y + i);
  }
  for (; i < n; ++i) y[i] = std::fma(scale, x[i], y[i]);
}

void RmsNorm(const float* x, int64_t dim, const float* gain, float epsilon, float* y) {
  const float scale = 1.0f / std::sqrt(Dot(x, x, dim) / static_cast<float>(dim) + epsilon);
  const V scales = hn::Set(d, scale);
  int64_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) {
    hn::StoreU(hn::Mul(hn::Mul(hn::LoadU(d, x + i), scales), hn::LoadU(d, gain + i)), d, y + i);
  }
  for (; i < dim; ++i) y[i] = x[i] * scale * gain[i];
}

HWY_INLINE V GeluNew(V x) {
  const V cubic = hn::Mul(hn::Mul(x, x), x);
  const V inner = hn::Mul(hn::Set(d, 0.7978845608f), hn::MulAdd(hn::Set(d, 0.044715f), cubic, x));
  return hn::Mul(hn::Mul(hn::Set(d, 0.5f), x), hn::Add(hn::Set(d, 1.0f), hn::Tanh(d, inner)));
}

HWY_INLINE V Silu(V x) { return hn::Div(x, hn::Add(hn::Set(d, 1.0f), hn::Exp(d, hn::Neg(x)))); }

// The library has no erf: exact GELU goes lane by lane.
HWY_INLINE V Gelu(V x) {
  HWY_ALIGN float lanes[kLanes];
  hn::Store(x, d, lanes);
  for (float& lane : lanes) lane = 0.5f * lane * (1.0f + std::erf(lane * 0.7071067812f));
  return hn::Load(d, lanes);
}

template <typename F>
void ActivateWith(F f, const float* gate, const float* up, int64_t n, float* out) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const V activated = f(hn::LoadU(d, gate + i));
    hn::StoreU(up == nullptr ? activated : hn::Mul(activated, hn::LoadU(d, up + i)), d, out + i);
  }
  if (i == n) return;
  HWY_ALIGN float rest[kLanes] = {};
  std::copy(gate + i, gate + n, rest);
  hn::Store(f(hn::Load(d, rest)), d, rest);
  for (int64_t j = i; j < n; ++j) out[j] = up == nullptr ? rest[j - i] : rest[j - i] * up[j];
}

void Activate(Activation activation, const float* gate, const float* up, int64_t n, float* out) {
  switch (activation) {
    case Activation::kRelu:
      return ActivateWith([](V x) { return hn::Max(x, hn::Zero(d)); }, gate, up, n, out);
    case Activation::kGeluNew:
      return ActivateWith([](V x) { return GeluNew(x); }, gate, up, n, out);
    case Activation::kGelu:
      return ActivateWith([](V x) { return Gelu(x); }, gate, up, n, out);
    case Activation::kSilu:
      return ActivateWith([](V x) { return Silu(x); }, gate, up, n, out);
  }
}

// ---- Attention ---------------------------------------------------------------------------------------------------

float MaxOf(const float* x, int64_t n) {
  float top = x[0];
  int64_t i = 0;
  if (n >= kLanes) {
    V tops = hn::LoadU(d, x);
    for (i = kLanes; i + kLanes <= n; i += kLanes) tops = hn::Max(tops, hn::LoadU(d, x + i));
    top = hn::GetLane(hn::MaxOfLanes(d, tops));
  }
  for (; i < n; ++i) top = std::max(top, x[i]);
  return top;
}

void Softmax(float* scores, int64_t n) {
  const float top = MaxOf(scores, n);
  const V tops = hn::Set(d, top);
  V sums = hn::Zero(d);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const V e = hn::Exp(d, hn::Sub(hn::LoadU(d, scores + i), tops));
    sums = hn::Add(sums, e);
    hn::StoreU(e, d, scores + i);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, sums));
  for (; i < n; ++i) sum += (scores[i] = std::exp(scores[i] - top));
  const float scale = 1.0f / sum;
  for (i = 0; i + kLanes <= n; i += kLanes) {
    hn::StoreU(hn::Mul(hn::LoadU(d, scores + i), hn::Set(d, scale)), d, scores + i);
  }
  for (; i < n; ++i) scores[i] *= scale;
}

void AddConstant(float value, int64_t begin, int64_t end, float* scores) {
  const V values = hn::Set(d, value);
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) hn::StoreU(hn::Add(hn::LoadU(d, scores + i), values), d, scores + i);
  for (; i < end; ++i) scores[i] += value;
}

// Clamping the distance makes three stretches of keys: far before, near, far behind.
void AddBias(const float* bias, int64_t reach, int64_t position, int64_t n, float* scores) {
  const int64_t begin = std::clamp<int64_t>(position - reach, 0, n);
  const int64_t end = std::clamp<int64_t>(position + reach, begin, n);
  AddConstant(bias[0], 0, begin, scores);
  const float* const near = bias + reach - position;
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) {
    hn::StoreU(hn::Add(hn::LoadU(d, scores + i), hn::LoadU(d, near + i)), d, scores + i);
  }
  for (; i < end; ++i) scores[i] += near[i];
  AddConstant(bias[2 * reach], end, n, scores);
}

// Keys and values are walked in blocks that stay in the first cache while each head takes its part, and are asked for a
// block ahead.
constexpr int32_t kKeyBlock = 16;

HWY_INLINE void PrefetchBlock(const float* rows, int64_t stride, int32_t begin, int32_t length, int64_t width) {
  const int32_t end = std::min(begin + kKeyBlock, length);
  for (int32_t key = begin; key < end; ++key) {
    for (int64_t i = 0; i < width; i += 16) hwy::Prefetch(rows + key * stride + i);
  }
}

// out += scores[key] * values[key] over `count` keys, in their order.
void AddValues(const float* values, int64_t stride, const float* scores, int32_t count, int32_t dim, float* out) {
  int32_t column = 0;
  for (; column + 4 * kLanes <= dim; column += 4 * kLanes) {
    V sum0 = hn::LoadU(d, out + column), sum1 = hn::LoadU(d, out + column + kLanes);
    V sum2 = hn::LoadU(d, out + column + 2 * kLanes), sum3 = hn::LoadU(d, out + column + 3 * kLanes);
    for (int32_t key = 0; key < count; ++key) {
      const V score = hn::Set(d, scores[key]);
      const float* const value = values + key * stride + column;
      sum0 = hn::MulAdd(score, hn::LoadU(d, value), sum0);
      sum1 = hn::MulAdd(score, hn::LoadU(d, value + kLanes), sum1);
      sum2 = hn::MulAdd(score, hn::LoadU(d, value + 2 * kLanes), sum2);
      sum3 = hn::MulAdd(score, hn::LoadU(d, value + 3 * kLanes), sum3);
    }
    hn::StoreU(sum0, d, out + column);
    hn::StoreU(sum1, d, out + column + kLanes);
    hn::StoreU(sum2, d, out + column + 2 * kLanes);
    hn::StoreU(sum3, d, out + column + 3 * kLanes);
  }
  for (; column + kLanes <= dim; column += kLanes) {
    V sum = hn::LoadU(d, out + column);
    for (int32_t key = 0; key < count; ++key) {
      sum = hn::MulAdd(hn::Set(d, scores[key]), hn::LoadU(d, values + key * stride + column), sum);
    }
    hn::StoreU(sum, d, out + column);
  }
  for (; column < dim; ++column) {
    for (int32_t key = 0; key < count; ++key)
      out[column] = std::fma(scores[key], values[key * stride + column], out[column]);
  }
}

void AttendHeads(const float* q, const DecodeQuery& query, int32_t first_head, int32_t heads, int32_t dim,
                 float* scores, float* out) {
  const int32_t length = query.length, reach = query.bias.reach;
  const int64_t stride = query.row_stride, first = int64_t{first_head} * dim, width = int64_t{heads} * dim;
  const float* const keys = query.keys + first;
  const float* const values = query.values + first;
  for (int32_t begin = 0; begin < length; begin += kKeyBlock) {
    PrefetchBlock(keys, stride, begin + kKeyBlock, length, width);
    const int32_t end = std::min(begin + kKeyBlock, length);
    for (int32_t h = 0; h < heads; ++h) {
      float* const line = scores + int64_t{h} * length;
      const int64_t head = int64_t{h} * dim;
      for (int32_t key = begin; key < end; ++key) line[key] = Dot(q + first + head, keys + key * stride + head, dim);
    }
  }
  for (int32_t h = 0; h < heads; ++h) {
    float* const line = scores + int64_t{h} * length;
    if (query.bias.table != nullptr) {
      AddBias(query.bias.table + (first_head + h) * (2 * int64_t{reach} + 1), reach, query.position, length, line);
    }
    Softmax(line, length);
  }
  std::fill(out + first, out + first + width, 0.0f);
  for (int32_t begin = 0; begin < length; begin += kKeyBlock) {
    PrefetchBlock(values, stride, begin + kKeyBlock, length, width);
    const int32_t count = std::min(kKeyBlock, length - begin);
    for (int32_t h = 0; h < heads; ++h) {
      const int64_t head = int64_t{h} * dim;
      AddValues(values + begin * stride + head, stride, scores + int64_t{h} * length + begin, count, dim,
                out + first + head);
    }
  }
}

VectorKernels VectorTable() { return {AddScaled, RmsNorm, Activate, AddBias, Softmax, AttendHeads}; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace trimtab
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trimtab {

HWY_EXPORT(VectorTable);

VectorKernels ChosenVectorKernels() { return HWY_DYNAMIC_DISPATCH(VectorTable)(); }

}  // namespace trimtab
#endif  // HWY_ONCE
