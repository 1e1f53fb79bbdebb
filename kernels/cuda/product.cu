// y^T = W x^T on the tensor cores. A block makes a tile of 16 outputs and up to 64 rows: its warps share out the lines
// of 128 bytes along the inputs (warp w takes lines w, w + 8, ...), each multiplies what it has, and the parts meet in
// shared memory, summed in the order of the warps. So an output is the same sum whatever the number of rows, and one
// row alone keeps all warps busy.
//
// Weights go from memory to registers without a detour: lane (g, t) of a warp reads 32 of the 128 bytes of row g and of
// row g + 8, four lanes together a whole line. Its words 2s and 2s + 1 are words t and t + 4 of step s: another
// numbering of the inputs than memory's, and the same one for the activations (see mma.h).
//
// Bound: few rows wait for W, (out, in) elements once; many rows for W and x from the second cache, W once per 64 rows
// and x once per 16 outputs.
#include "kernels/cuda/activate.h"
#include "kernels/cuda/formats.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/layout.h"
#include "kernels/cuda/product.h"

namespace trimtab::cuda {
namespace {

constexpr int kWarps = 8;
constexpr int kThreads = kWarps * kWarpSize;
constexpr int kColumns = static_cast<int>(kTileOutputs);
constexpr int kPitch = 20;  // Of a row of parts in shared memory: lanes that store together do not share a bank.
constexpr int kSteps = 4;   // Multiply-adds along one line.
constexpr int kMaxProducts = 4;

struct Sets {
  const std::byte* data[kMaxSets] = {};
  int count = 0;  // 1 without a basis.
  bool basis = false;
  int64_t out = 0;
  int tiles = 0;
};

struct Target {
  float* data = nullptr;
  int64_t stride = 0;
  int64_t add = 0;  // Not 0: to what is there.
};

struct Products {
  PreparedRows x;
  const float* coefficients = nullptr;
  int64_t coefficient_stride = 0;
  Sets sets[kMaxProducts];
  Target y[kMaxProducts];
  Activation activation = Activation::kRelu;
  bool gated = false;
};

// What this block makes.
struct Tile {
  int64_t first_output, first_row;
};

struct Words {
  uint32_t of[2 * kSteps];
};

__device__ inline Words LoadWords(const std::byte* from) {
  const auto* const vectors = reinterpret_cast<const uint4*>(from);
  const uint4 a = vectors[0], b = vectors[1];
  return {{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}};
}

// This warp's share of the sums of a tile: sums[i] of rows 8 i to 8 i + 8.
template <typename Format, int kRowTiles>
__device__ void MultiplyLines(const PreparedRows& x, const std::byte* w, const Tile& tile,
                              typename Format::Sum (&sums)[kRowTiles][4]) {
  const int group = LaneOf() / 4, part = LaneOf() % 4;
  const std::byte* const upper = w + (tile.first_output + group) * x.row_bytes + part * 32;
  const std::byte* const lower = upper + 8 * x.row_bytes;
  const std::byte* const rows = x.data + (tile.first_row + group) * x.row_bytes + part * 32;
  for (int64_t line = WarpOf() * kLineBytes; line < x.row_bytes; line += kWarps * kLineBytes) {
    const Words high = LoadWords(upper + line), low = LoadWords(lower + line);
#pragma unroll
    for (int i = 0; i < kRowTiles; ++i) {
      Words planes[Format::kPlanes];
#pragma unroll
      for (int p = 0; p < Format::kPlanes; ++p) {
        planes[p] = LoadWords(rows + p * x.plane_bytes + i * 8 * x.row_bytes + line);
      }
#pragma unroll
      for (int s = 0; s < kSteps; ++s) {
        const uint32_t a[4] = {high.of[2 * s], low.of[2 * s], high.of[2 * s + 1], low.of[2 * s + 1]};
        uint32_t b[Format::kPlanes][2];
#pragma unroll
        for (int p = 0; p < Format::kPlanes; ++p) {
          b[p][0] = planes[p].of[2 * s];
          b[p][1] = planes[p].of[2 * s + 1];
        }
        Format::MultiplyAdd(a, b, sums[i]);
      }
    }
  }
}

template <typename Sum>
__device__ Sum* PartOf(Sum* parts, int warp, int rows, int row, int column) {
  return parts + (warp * rows + row) * kPitch + column;
}

template <typename Sum, int kRowTiles>
__device__ void StoreParts(const Sum (&sums)[kRowTiles][4], Sum* parts) {
  const int group = LaneOf() / 4, in_group = LaneOf() % 4;
#pragma unroll
  for (int i = 0; i < kRowTiles; ++i) {
#pragma unroll
    for (int d = 0; d < 4; ++d) {
      *PartOf(parts, WarpOf(), 8 * kRowTiles, 8 * i + 2 * in_group + d % 2, group + d / 2 * 8) = sums[i][d];
    }
  }
}

// Outputs of the tile that a thread finishes: number i is (row, column) of element threadIdx.x + i * kThreads.
template <int kRowTiles>
constexpr int kOwned = kRowTiles * 8 * kColumns > kThreads ? kRowTiles * 8 * kColumns / kThreads : 1;
__device__ inline int OwnedRow(int i) { return (static_cast<int>(threadIdx.x) + i * kThreads) / kColumns; }
__device__ inline int OwnedColumn() { return static_cast<int>(threadIdx.x) % kColumns; }

// Whether some row of the tile has a coefficient other than 0 for the set. The same for all threads.
template <int kRowTiles>
__device__ bool IsUsed(const Products& args, const Tile& tile, int set) {
  for (int64_t row = tile.first_row; row < tile.first_row + 8 * kRowTiles && row < args.x.count; ++row) {
    if (args.coefficients[row * args.coefficient_stride + set] != 0.0f) return true;
  }
  return false;
}

// Adds up the parts of the warps for the outputs that this thread owns and takes them into `totals`.
template <typename Format, int kRowTiles>
__device__ void FinishSet(const Products& args, const Sets& sets, int set, const Tile& tile,
                          const typename Format::Sum* parts, float (&totals)[kOwned<kRowTiles>]) {
  const int64_t output = tile.first_output + OwnedColumn();
#pragma unroll
  for (int i = 0; i < kOwned<kRowTiles>; ++i) {
    const int row = OwnedRow(i);
    if (row >= 8 * kRowTiles || tile.first_row + row >= args.x.count) continue;
    typename Format::Sum sum = *PartOf(parts, 0, 8 * kRowTiles, row, OwnedColumn());
#pragma unroll
    for (int w = 1; w < kWarps; ++w) sum += *PartOf(parts, w, 8 * kRowTiles, row, OwnedColumn());
    float x_scale = 1.0f, w_scale = 1.0f;
    if constexpr (Format::kPlanes == 1) {
      x_scale = args.x.scales[tile.first_row + row];
      w_scale = reinterpret_cast<const float*>(sets.data[set])[output];
    }
    const float value = Format::Value(sum, x_scale, w_scale);
    if (!sets.basis) {
      totals[i] = value;
      continue;
    }
    const float c = args.coefficients[(tile.first_row + row) * args.coefficient_stride + set];
    if (c != 0.0f) totals[i] = fmaf(c, value, totals[i]);
  }
}

// x W^T, W over its basis where it has one.
template <typename Format, int kRowTiles>
__device__ void MultiplySets(const Products& args, const Sets& sets, const Tile& tile,
                             float (&totals)[kOwned<kRowTiles>]) {
  auto* const parts = SharedMemory<typename Format::Sum>();
  const int64_t scale_bytes = Format::kPlanes == 1 ? int64_t{sets.tiles} * kTileOutputs * 4 : 0;
  for (int set = 0; set < sets.count; ++set) {
    if (sets.basis && !IsUsed<kRowTiles>(args, tile, set)) continue;
    typename Format::Sum sums[kRowTiles][4] = {};
    MultiplyLines<Format, kRowTiles>(args.x, sets.data[set] + scale_bytes, tile, sums);
    StoreParts(sums, parts);
    __syncthreads();
    FinishSet<Format, kRowTiles>(args, sets, set, tile, parts, totals);
    __syncthreads();
  }
}

// Writes finish(totals) of the outputs that exist.
template <int kRowTiles, typename Finish>
__device__ void Store(const Products& args, const Sets& sets, const Tile& tile, const Target& y, Finish finish) {
  const int64_t output = tile.first_output + OwnedColumn();
  if (output >= sets.out) return;
#pragma unroll
  for (int i = 0; i < kOwned<kRowTiles>; ++i) {
    const int row = OwnedRow(i);
    if (row >= 8 * kRowTiles || tile.first_row + row >= args.x.count) continue;
    float* const place = y.data + (tile.first_row + row) * y.stride + output;
    *place = y.add != 0 ? *place + finish(i) : finish(i);
  }
}

template <typename Format, int kRowTiles>
__global__ void __launch_bounds__(kThreads) MultiplyTiles(const __grid_constant__ Products args) {
  int tile_number = static_cast<int>(blockIdx.x), product = 0;
  for (; tile_number >= args.sets[product].tiles; ++product) tile_number -= args.sets[product].tiles;
  const Sets& sets = args.sets[product];
  const Tile tile{tile_number * kTileOutputs, int64_t{blockIdx.y} * 8 * kRowTiles};
  float totals[kOwned<kRowTiles>] = {};
  MultiplySets<Format, kRowTiles>(args, sets, tile, totals);
  Store<kRowTiles>(args, sets, tile, args.y[product], [&](int i) { return totals[i]; });
}

// sets[0] is the gate, sets[1] what it is multiplied by. With 64 rows one block fills a multiprocessor's registers
// anyway: said so, the compiler does not spill to make room for a second.
template <typename Format, int kRowTiles>
__global__ void __launch_bounds__(kThreads, kRowTiles == 8 ? 1 : 0)
    MultiplyAndActivate(const __grid_constant__ Products args) {
  const Tile tile{blockIdx.x * kTileOutputs, int64_t{blockIdx.y} * 8 * kRowTiles};
  float gate[kOwned<kRowTiles>] = {}, factor[kOwned<kRowTiles>] = {};
#pragma unroll 1
  for (int product = args.gated ? 1 : 0; product >= 0; --product) {  // One body: two would need more registers.
#pragma unroll
    for (int i = 0; i < kOwned<kRowTiles>; ++i) {
      factor[i] = gate[i];
      gate[i] = 0.0f;
    }
    MultiplySets<Format, kRowTiles>(args, args.sets[product], tile, gate);
  }
  Store<kRowTiles>(args, args.sets[0], tile, args.y[0], [&](int i) {
    const float value = Activated(args.activation, gate[i]);
    return args.gated ? value * factor[i] : value;
  });
}

Sets SetsOf(const Operand& w) {
  Sets sets;
  sets.basis = !w.basis.empty();
  sets.count = sets.basis ? static_cast<int>(w.basis.size()) : 1;
  for (int j = 0; j < sets.count; ++j) sets.data[j] = sets.basis ? w.basis[j].data : w.w.data;
  sets.out = w.w.out;
  sets.tiles = static_cast<int>(CeilDiv(w.w.out, kTileOutputs));
  return sets;
}

template <typename Format, int kRowTiles, bool kActivated>
void LaunchTiles(const Products& args, int tiles, Queue queue) {
  constexpr size_t kSharedBytes = size_t{kWarps} * 8 * kRowTiles * kPitch * sizeof(float);
  const auto row_tiles = static_cast<unsigned>(CeilDiv(args.x.count, 8 * kRowTiles));
  const Launch launch{dim3(static_cast<unsigned>(tiles), row_tiles), kThreads, kSharedBytes, queue};
  if constexpr (kActivated) {
    launch(MultiplyAndActivate<Format, kRowTiles>, args);
  } else {
    launch(MultiplyTiles<Format, kRowTiles>, args);
  }
}

// As many rows to a tile as were prepared together. The sums do not depend on it.
template <typename Format, bool kActivated>
void LaunchFormat(const Products& args, int tiles, Queue queue) {
  switch (args.x.tile_rows) {
    case 8:
      return LaunchTiles<Format, 1, kActivated>(args, tiles, queue);
    case 16:
      return LaunchTiles<Format, 2, kActivated>(args, tiles, queue);
    case 32:
      return LaunchTiles<Format, 4, kActivated>(args, tiles, queue);
    default:
      return LaunchTiles<Format, 8, kActivated>(args, tiles, queue);
  }
}

template <bool kActivated>
void LaunchProducts(const Products& args, Precision precision, int tiles, Queue queue) {
  switch (precision) {
    case Precision::kFloat32:
      return LaunchFormat<Float32Format, kActivated>(args, tiles, queue);
    case Precision::kBfloat16:
      return LaunchFormat<Bfloat16Format, kActivated>(args, tiles, queue);
    case Precision::kInt8:
      return LaunchFormat<Int8Format, kActivated>(args, tiles, queue);
  }
}

Products ArgumentsOf(const PreparedRows& x, Rows coefficients) {
  Products args;
  args.x = x;
  args.coefficients = coefficients.data;
  args.coefficient_stride = coefficients.stride;
  return args;
}

}  // namespace

void Multiply(const PreparedRows& x, std::span<const Product> products, Rows coefficients, Queue queue) {
  while (!products.empty()) {
    const auto part = products.first(std::min<size_t>(products.size(), kMaxProducts));
    products = products.subspan(part.size());
    Products args = ArgumentsOf(x, coefficients);
    int tiles = 0;
    for (size_t p = 0; p < part.size(); ++p) {
      args.sets[p] = SetsOf(part[p].w);
      args.y[p] = {part[p].y.data, part[p].y.stride, part[p].mode == Accumulate::kAdd ? 1 : 0};
      tiles += args.sets[p].tiles;
    }
    LaunchProducts<false>(args, part[0].w.w.precision, tiles, queue);
  }
}

void ActivatedMultiply(const PreparedRows& x, const Operand& w, const Operand& up, Activation activation, Rows y,
                       Rows coefficients, Queue queue) {
  Products args = ArgumentsOf(x, coefficients);
  args.sets[0] = SetsOf(w);
  args.y[0] = {y.data, y.stride, 0};
  args.activation = activation;
  args.gated = !up.empty();
  if (args.gated) args.sets[1] = SetsOf(up);
  LaunchProducts<true>(args, w.w.precision, args.sets[0].tiles, queue);
}

}  // namespace trimtab::cuda
