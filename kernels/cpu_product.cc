// Rows of activations times one packed panel, per precision.
//
// Each output is one chain of multiply-adds over the depth, whatever the tile: so batches do not change bits.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu_product.cc"
#include <algorithm>
#include <cmath>
#include <cstring>

#include "hwy/foreach_target.h"  // Re-includes this file per target; must come before highway.h.
#include "kernels/cpu_kernels.h"
//
#include "hwy/cache_control.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
#if HWY_TARGET == HWY_AVX3_DL  // Implies VNNI, which this version of the library does not tell the compiler.
HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR ",avx512vnni")
#endif
namespace trimtab {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using DI = hn::RebindToSigned<D>;
using DU = hn::RebindToUnsigned<D>;
using V = hn::Vec<D>;
using VI = hn::Vec<DI>;
constexpr D d;
constexpr DI di;
constexpr DU du;
constexpr int64_t kLanes = hn::MaxLanes(d);

// A tile is rows x kColumns outputs, kept in registers: accumulators, the weights and one broadcast must fit. kColumns
// divides the panel; a panel that is wider is walked in several passes.
constexpr int kVectors = 2;
constexpr int64_t kColumns = kVectors * kLanes;
constexpr int kTileRows = kLanes >= 16 ? 12 : 6;

// Loops over a tile's registers must unroll, or the compiler keeps the registers in memory.
#undef TRIMTAB_UNROLL
#define TRIMTAB_UNROLL HWY_PRAGMA(GCC unroll 16)

// ---- Loops over tiles ---------------------------------------------------------------------------------------------

// Calls Tile::template Run<rows>(row, column) for tiles that cover `rows` x the panel.
template <int kRows, typename Tile>
HWY_INLINE void RunTile(int64_t rows, const Tile& tile, int64_t row, int64_t column) {
  if (rows == kRows) return tile.template Run<kRows>(row, column);
  if constexpr (kRows > 1) RunTile<kRows - 1>(rows, tile, row, column);
}

template <int kMaxRows, int64_t kWidth, typename Tile>
void RunTiles(int64_t rows, int64_t columns, const Tile& tile) {
  for (int64_t column = 0; column < columns; column += kWidth) {
    for (int64_t row = 0; row < rows; row += kMaxRows) {
      RunTile<kMaxRows>(std::min<int64_t>(kMaxRows, rows - row), tile, row, column);
    }
  }
}

// Few rows: the weights come from memory, and are asked for early.
constexpr int kStreamedRows = 12;
constexpr int64_t kPrefetchBytes = 4096;
template <typename T>
HWY_INLINE void Prefetch(const T* w) {
  hwy::Prefetch(reinterpret_cast<const uint8_t*>(w) + kPrefetchBytes);
  if constexpr (sizeof(T) == 4 || sizeof(T) == 1)
    hwy::Prefetch(reinterpret_cast<const uint8_t*>(w) + kPrefetchBytes + 64);
}

// The lines a tile will write are fetched while it computes.
template <int kRows>
HWY_INLINE void PrefetchOutputs(Rows y, int64_t row, int64_t column) {
  if constexpr (kRows <= kStreamedRows / 2) return;
  for (int r = 0; r < kRows; ++r) {
    for (int64_t c = 0; c < kColumns; c += 16) __builtin_prefetch(y.row(row + r) + column + c, 1);
  }
}

// Stores one vector of results at `out`, of which `room` elements may be written.
HWY_INLINE void Put(V value, float* out, int64_t room, Accumulate mode) {
  if (room >= kLanes) {
    hn::StoreU(mode == Accumulate::kAdd ? hn::Add(hn::LoadU(d, out), value) : value, d, out);
    return;
  }
  HWY_ALIGN float line[kLanes];
  hn::Store(value, d, line);
  for (int64_t i = 0; i < room; ++i) out[i] = mode == Accumulate::kAdd ? out[i] + line[i] : line[i];
}

// ---- float32 and bfloat16 -----------------------------------------------------------------------------------------

static_assert(kVectors == 2);

struct Float32Weights {
  using T = float;
  static HWY_INLINE void Load(const float* p, V& first, V& second) {
    first = hn::LoadU(d, p);
    second = hn::LoadU(d, p + kLanes);
  }
};

struct Bfloat16Weights {
  using T = uint16_t;
  static HWY_INLINE void Load(const uint16_t* p, V& first, V& second) {
    const auto words = hn::LoadU(du, reinterpret_cast<const uint32_t*>(p));
    first = hn::BitCast(d, hn::ShiftLeft<16>(words));
    second = hn::BitCast(d, hn::And(words, hn::Set(du, 0xffff0000u)));
  }
};

void PackBfloat16(const float* panel, int64_t in, uint16_t* out) {
  for (int64_t group = 0; group < in * kPanel; group += kColumns) {
    for (int64_t i = 0; i < kLanes; ++i) {
      out[group + 2 * i] = ToBfloat16(panel[group + i]);
      out[group + 2 * i + 1] = ToBfloat16(panel[group + kLanes + i]);
    }
  }
}

template <typename Weights>
struct FloatTile {
  template <int kRows>
  HWY_INLINE void Run(int64_t row, int64_t column) const {
    PrefetchOutputs<kRows>(y, row, column);
    V sum[kRows][kVectors];
    TRIMTAB_UNROLL
    for (int r = 0; r < kRows; ++r) {
      TRIMTAB_UNROLL
      for (int c = 0; c < kVectors; ++c) sum[r][c] = hn::Zero(d);
    }
    const float* const x0 = x.row(row);
    const typename Weights::T* w = panel + column;
    for (int64_t k = 0; k < depth; ++k, w += kPanel) {
      if constexpr (kRows <= kStreamedRows) Prefetch(w);
      V weights[kVectors];
      Weights::Load(w, weights[0], weights[1]);
      TRIMTAB_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const V broadcast = hn::Set(d, x0[r * x.stride + k]);
        TRIMTAB_UNROLL
        for (int c = 0; c < kVectors; ++c) sum[r][c] = hn::MulAdd(broadcast, weights[c], sum[r][c]);
      }
    }
    HWY_ALIGN float block[kRows * kColumns];
    TRIMTAB_UNROLL
    for (int r = 0; r < kRows; ++r) {
      TRIMTAB_UNROLL
      for (int c = 0; c < kVectors; ++c) hn::Store(sum[r][c], d, block + r * kColumns + c * kLanes);
    }
    for (int r = 0; r < kRows; ++r) {
      float* const out = y.row(row + r) + column;
      for (int64_t c = 0; c < kColumns; c += kLanes) {
        Put(hn::Load(d, block + r * kColumns + c), out + c, columns - column - c, mode);
      }
    }
  }

  Rows x;
  int64_t depth;
  const typename Weights::T* panel;
  int64_t columns;
  Rows y;
  Accumulate mode;
};

template <typename Weights>
void FloatProduct(Rows x, int64_t depth, const std::byte* panel, int64_t columns, Rows y, Accumulate mode) {
  const auto* weights = reinterpret_cast<const typename Weights::T*>(panel);
  RunTiles<kTileRows, kColumns>(y.count, columns, FloatTile<Weights>{x, depth, weights, columns, y, mode});
}

void Float32Product(Rows x, int64_t depth, const std::byte* panel, int64_t columns, Rows y, Accumulate mode) {
  FloatProduct<Float32Weights>(x, depth, panel, columns, y, mode);
}

void Bfloat16Product(Rows x, int64_t depth, const std::byte* panel, int64_t columns, Rows y, Accumulate mode) {
  FloatProduct<Bfloat16Weights>(x, depth, panel, columns, y, mode);
}

// ---- int8 ---------------------------------------------------------------------------------------------------------

// Weights are w + 128 in [1, 255], activations x in [-127, 127]: the sums are exact in int32, and the offset comes off
// again as 128 * sum(x). With VNNI, groups of four products go into one int32 lane; elsewhere activations are int16,
// weights widen to int16, and pairs of products go into two lanes per output, added at the end. No step saturates.

#undef TRIMTAB_VNNI
#if HWY_TARGET == HWY_AVX3_DL
#define TRIMTAB_VNNI 1
#else
#define TRIMTAB_VNNI 0
#endif

#if TRIMTAB_VNNI
using Activation8 = int8_t;
#else
using Activation8 = int16_t;
#endif

void QuantizeRow(const float* x, int64_t depth, const QuantizedRows& q, int64_t r) {
  V tops = hn::Zero(d);
  int64_t k = 0;
  for (; k + kLanes <= depth; k += kLanes) tops = hn::Max(tops, hn::Abs(hn::LoadU(d, x + k)));
  float top = hn::GetLane(hn::MaxOfLanes(d, tops));
  for (; k < depth; ++k) top = std::max(top, std::abs(x[k]));

  const bool zero = top < kLeastQuantizable;
  const float inverse = zero ? 0.0f : 127.0f / top;
  auto* out = reinterpret_cast<Activation8*>(q.row(r));
  const hn::Rebind<Activation8, D> dq;
  VI sums = hn::Zero(di);
  for (k = 0; k + kLanes <= depth; k += kLanes) {
    const VI rounded = hn::NearestInt(hn::Mul(hn::LoadU(d, x + k), hn::Set(d, inverse)));
    sums = hn::Add(sums, rounded);
    hn::StoreU(hn::DemoteTo(dq, rounded), dq, out + k);
  }
  int32_t sum = hn::GetLane(hn::SumOfLanes(di, sums));
  for (; k < depth; ++k) {
    const int32_t rounded = static_cast<int32_t>(std::nearbyint(x[k] * inverse));
    sum += rounded;
    out[k] = static_cast<Activation8>(rounded);
  }
  for (; k % 4 != 0; ++k) out[k] = 0;
  q.scales[r] = zero ? 0.0f : top / 127.0f;
  q.offsets[r] = 128 * sum;
}

struct Int8TileBase {
  // Sums of row `r` at `column` to outputs.
  HWY_INLINE void PutSums(VI sums, int64_t r, int64_t column) const {
    const V scale = hn::Mul(hn::Set(d, x.scales[r]), hn::LoadU(d, scales + column));
    const V value = hn::Mul(hn::ConvertTo(d, hn::Sub(sums, hn::Set(di, x.offsets[r]))), scale);
    Put(value, y.row(r) + column, columns - column, mode);
  }

  const QuantizedRows& x;
  int64_t quads;  // Of inputs.
  const float* scales;
  const uint8_t* panel;
  int64_t columns;
  Rows y;
  Accumulate mode;
};

#if TRIMTAB_VNNI

constexpr int64_t kInt8Columns = kColumns;
constexpr int kInt8TileRows = kTileRows;

struct Int8Tile : Int8TileBase {
  template <int kRows>
  HWY_INLINE void Run(int64_t row, int64_t column) const {
    PrefetchOutputs<kRows>(y, row, column);
    __m512i sum[kRows][kVectors];
    TRIMTAB_UNROLL
    for (int r = 0; r < kRows; ++r) {
      TRIMTAB_UNROLL
      for (int c = 0; c < kVectors; ++c) sum[r][c] = _mm512_setzero_si512();
    }
    const std::byte* const x0 = x.row(row);
    const uint8_t* w = panel + column * 4;
    for (int64_t k = 0; k < quads; ++k, w += kPanel * 4) {
      if constexpr (kRows <= kStreamedRows) Prefetch(w);
      __m512i weights[kVectors];
      TRIMTAB_UNROLL
      for (int c = 0; c < kVectors; ++c) weights[c] = _mm512_loadu_si512(w + c * 64);
      TRIMTAB_UNROLL
      for (int r = 0; r < kRows; ++r) {
        int32_t four;
        std::memcpy(&four, x0 + r * x.stride + k * 4, 4);
        const __m512i broadcast = _mm512_set1_epi32(four);
        TRIMTAB_UNROLL
        for (int c = 0; c < kVectors; ++c) sum[r][c] = _mm512_dpbusd_epi32(sum[r][c], weights[c], broadcast);
      }
    }
    HWY_ALIGN int32_t block[kRows * kColumns];
    TRIMTAB_UNROLL
    for (int r = 0; r < kRows; ++r) {
      TRIMTAB_UNROLL
      for (int c = 0; c < kVectors; ++c) _mm512_store_si512(block + r * kColumns + c * kLanes, sum[r][c]);
    }
    for (int r = 0; r < kRows; ++r) {
      for (int64_t c = 0; c < kColumns; c += kLanes) {
        PutSums(hn::Load(di, block + r * kColumns + c), row + r, column + c);
      }
    }
  }
};

#elif HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SSE4

using D16 = hn::CappedTag<int16_t, 32>;
constexpr D16 d16;
constexpr int64_t kLanes16 = hn::MaxLanes(d16);
constexpr int64_t kInt8Columns = kLanes16;  // Four vectors of int16, four inputs of kLanes16 / 4 outputs each.
constexpr int kInt8TileRows = kLanes16 >= 32 ? 6 : 3;

struct Int8Tile : Int8TileBase {
  template <int kRows>
  HWY_INLINE void Run(int64_t row, int64_t column) const {
    VI sum[kRows][4];
    TRIMTAB_UNROLL
    for (int r = 0; r < kRows; ++r) {
      TRIMTAB_UNROLL
      for (int c = 0; c < 4; ++c) sum[r][c] = hn::Zero(di);
    }
    const hn::Rebind<uint8_t, D16> du8;
    const hn::Repartition<int64_t, D16> d64;
    const std::byte* const x0 = x.row(row);
    const uint8_t* w = panel + column * 4;
    for (int64_t k = 0; k < quads; ++k, w += kPanel * 4) {
      hn::Vec<D16> weights[4];
      TRIMTAB_UNROLL
      for (int c = 0; c < 4; ++c) weights[c] = hn::PromoteTo(d16, hn::LoadU(du8, w + c * kLanes16));
      TRIMTAB_UNROLL
      for (int r = 0; r < kRows; ++r) {
        int64_t four;
        std::memcpy(&four, x0 + r * x.stride + k * 8, 8);
        const auto broadcast = hn::BitCast(d16, hn::Set(d64, four));
        TRIMTAB_UNROLL
        for (int c = 0; c < 4; ++c) {
          VI unused = hn::Zero(di);
          sum[r][c] = hn::ReorderWidenMulAccumulate(di, weights[c], broadcast, sum[r][c], unused);
        }
      }
    }
    HWY_ALIGN int32_t pairs[kRows * 4 * kLanes];
    TRIMTAB_UNROLL
    for (int r = 0; r < kRows; ++r) {
      TRIMTAB_UNROLL
      for (int c = 0; c < 4; ++c) hn::Store(sum[r][c], di, pairs + (r * 4 + c) * kLanes);
    }
    for (int r = 0; r < kRows; ++r) PutPairs(pairs + r * 4 * kLanes, row + r, column);
  }

  // Two neighbouring lanes make one output.
  HWY_INLINE void PutPairs(const int32_t* pairs, int64_t r, int64_t column) const {
    HWY_ALIGN int32_t whole[2 * kLanes];
    for (int64_t i = 0; i < 2 * kLanes; ++i) whole[i] = pairs[2 * i] + pairs[2 * i + 1];
    for (int64_t c = 0; c < 2 * kLanes; c += kLanes) PutSums(hn::Load(di, whole + c), r, column + c);
  }
};

#else  // Plain loops.

constexpr int64_t kInt8Columns = kLanes;
constexpr int kInt8TileRows = 1;

struct Int8Tile : Int8TileBase {
  template <int kRows>
  HWY_INLINE void Run(int64_t row, int64_t column) const {
    HWY_ALIGN int32_t sums[kLanes] = {};
    const auto* x0 = reinterpret_cast<const Activation8*>(x.row(row));
    for (int64_t k = 0; k < quads * 4; ++k) {
      const uint8_t* w = panel + (k / 4) * kPanel * 4 + column * 4 + k % 4;
      for (int64_t i = 0; i < kLanes; ++i) sums[i] += int32_t{x0[k]} * w[i * 4];
    }
    PutSums(hn::Load(di, sums), row, column);
  }
};

#endif

void Int8Product(const QuantizedRows& x, int64_t depth, const std::byte* panel, int64_t columns, Rows y,
                 Accumulate mode) {
  const auto* scales = reinterpret_cast<const float*>(panel);
  const auto* weights = reinterpret_cast<const uint8_t*>(panel + kScaleBytes);
  RunTiles<kInt8TileRows, kInt8Columns>(y.count, columns,
                                        Int8Tile{{x, (depth + 3) / 4, scales, weights, columns, y, mode}});
}

ProductKernels ProductTable() { return {Float32Product, Bfloat16Product, Int8Product, PackBfloat16, QuantizeRow}; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace trimtab
#if HWY_TARGET == HWY_AVX3_DL
HWY_POP_ATTRIBUTES
#endif
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trimtab {

HWY_EXPORT(ProductTable);

ProductKernels ChosenProductKernels() { return HWY_DYNAMIC_DISPATCH(ProductTable)(); }

}  // namespace trimtab
#endif  // HWY_ONCE
