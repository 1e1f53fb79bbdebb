// The production CPU path: cuts each operation into slices for the thread pool; the loops are those of
// cpu_kernels.h.
#include <algorithm>
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "kernels/cpu_kernels.h"
#include "kernels/host_memory.h"
#include "kernels/thread_pool.h"

namespace trimtab {
namespace {

// Multiply-adds below which waking another thread costs more than it saves.
constexpr int64_t kParallelWork = 1 << 16;
constexpr int64_t kQueryBlock = 12;
constexpr int64_t kTileBlock = 24;  // Rows of one panel's outputs that wait on the stack for more work.
// Of a mix, for one thread at a time: few enough that results stay in the caches for the product that follows (larger
// ones go past them), but for int8, which mixes best in long runs and writes little.
constexpr int64_t kMixedElements = 1 << 15;
constexpr int64_t kMixedElementsInt8 = 1 << 17;
constexpr int64_t kFewRows = 12;         // Up to here a product waits for its weights to come from memory.
constexpr int64_t kSharesOfFewRows = 6;  // Then each thread takes about so many runs of neighbouring panels.

// Rows that all panels pass over before the next rows: as many as stay in the second cache beside a panel.
int64_t RowBlock(const PackedMatrix& w) {
  constexpr int64_t kCacheBytes = 3 << 18;  // Of a megabyte.
  return std::max<int64_t>((kCacheBytes - PanelBytes(w.in, w.precision)) / (4 * w.in) / 24 * 24, 24);
}

// Memory that grows to the largest use and stays, so steady state allocates nothing.
float* Grow(std::vector<float>& scratch, int64_t elements) {
  if (static_cast<int64_t>(scratch.size()) < elements) scratch.resize(elements);
  return scratch.data();
}

const float* HeadBias(const RelativeBias& bias, int32_t head) {
  return bias.table == nullptr ? nullptr : bias.table + head * (2 * int64_t{bias.reach} + 1);
}

class CpuBackend final : public Backend {
 public:
  CpuBackend(int threads, const CpuKernels& kernels) : kernels_(kernels), pool_(threads), scratch_(threads) {}

  absl::string_view name() const override { return "cpu"; }
  std::string layout() const override { return "cpu/" + kernels_.instruction_set; }  // bfloat16: by vector width.
  absl::StatusOr<Buffer> Allocate(int64_t elements) override { return AllocateHost(elements); }
  int64_t PackedBytes(int64_t out, int64_t in, Precision precision) const override {
    return Panels(out) * PanelBytes(in, precision);
  }

  // Every precision is packed as the mix of one set writes it.
  void Pack(const float* w, int64_t out, int64_t in, Precision precision, std::byte* packed) const override {
    std::vector<float> panel(kPanel * in);
    const PackedMatrix one{reinterpret_cast<const std::byte*>(panel.data()), kPanel, in, Precision::kFloat32};
    const float whole = 1.0f;
    for (int64_t p = 0; p < Panels(out); ++p) {
      PackPanel(w + p * kPanel * in, in, std::min(kPanel, out - p * kPanel), in, panel.data());
      std::byte* const destination = packed + p * PanelBytes(in, precision);
      if (precision == Precision::kBfloat16) {
        kernels_.product.pack_bfloat16(panel.data(), in, reinterpret_cast<uint16_t*>(destination));
      } else {
        MixMatrix({&one, 1}, {&whole, 1}, precision, destination);
      }
    }
  }

  void Mix(std::span<const float* const> sets, std::span<const float> coefficients, int64_t n,
           float* out) const override {
    const float* used[kMaxSets];
    float c[kMaxSets];
    const int count = Used(
        coefficients, [&](size_t j, int i) { used[i] = sets[j]; }, c);
    kernels_.mix.float32(used, c, count, n, out);
  }

  void MixMatrix(std::span<const PackedMatrix> sets, std::span<const float> coefficients, Precision precision,
                 std::byte* packed) const override {
    MixPanels(sets, coefficients, precision, 0, Panels(sets[0].out), packed);
  }

  void MixMatrixNow(std::span<const PackedMatrix> sets, std::span<const float> coefficients, Precision precision,
                    std::byte* packed) override {
    const int64_t panels = Panels(sets[0].out), in = sets[0].in;
    const int64_t elements = precision == Precision::kInt8 ? kMixedElementsInt8 : kMixedElements;
    const int64_t share = std::max<int64_t>(1, elements / (kPanel * in));
    For((panels + share - 1) / share, panels * kPanel * in, [&](int64_t item, int) {
      const int64_t first = item * share;
      MixPanels(sets, coefficients, precision, first, std::min(share, panels - first), packed);
    });
  }

  void MatMul(Rows x, std::span<const Product> products, Rows coefficients) override {
    const Prepared input = Prepare(x, products[0].w, coefficients);
    int64_t panels = 0, work = 0;
    for (const Product& product : products) {
      panels += Panels(product.w.w.out);
      work += x.count * WorkOf(product.w);
    }
    ForPanels(x.count, panels, RowBlock(products[0].w.w), work, [&](int64_t first, int64_t rows, int64_t panel) {
      const Product* product = products.data();
      for (; panel >= Panels(product->w.w.out); ++product) panel -= Panels(product->w.w.out);
      const Rows y{product->y.row(first) + panel * kPanel, rows, product->y.stride};
      MultiplyPanel(input.From(first), product->w, panel, y, product->mode);
    });
  }

  void ActivatedMatMul(Rows x, const Operand& w, const Operand& up, Activation activation, Rows y,
                       Rows coefficients) override {
    const Prepared input = Prepare(x, w, coefficients);
    const int64_t work = x.count * WorkOf(w) * (up.empty() ? 1 : 2);
    ForPanels(x.count, Panels(w.w.out), RowBlock(w.w), work, [&](int64_t first, int64_t count, int64_t p) {
      const int64_t end = first + count;
      const int64_t columns = std::min(kPanel, w.w.out - p * kPanel);
      alignas(64) float gate[kTileBlock * kPanel], factor[kTileBlock * kPanel];
      for (int64_t r = first; r < end; r += kTileBlock) {
        const int64_t rows = std::min(kTileBlock, end - r);
        const Prepared part = input.From(r);
        MultiplyPanel(part, w, p, {gate, rows, kPanel}, Accumulate::kStore);
        if (!up.empty()) MultiplyPanel(part, up, p, {factor, rows, kPanel}, Accumulate::kStore);
        for (int64_t i = 0; i < rows; ++i) {
          kernels_.vector.activate(activation, gate + i * kPanel, up.empty() ? nullptr : factor + i * kPanel, columns,
                                   y.row(r + i) + p * kPanel);
        }
      }
    });
  }

  void RmsNorm(Rows x, int64_t dim, const float* gain, float epsilon, Rows y) override {
    For(x.count, x.count * dim,
        [&](int64_t r, int) { kernels_.vector.rms_norm(x.row(r), dim, gain, epsilon, y.row(r)); });
  }

  void Embed(std::span<const float* const> sets, std::span<const float> coefficients, int64_t dim,
             std::span<const int32_t> ids, Rows out) override {
    const float* rows[kMaxSets];
    for (size_t i = 0; i < ids.size(); ++i) {
      for (size_t j = 0; j < sets.size(); ++j) rows[j] = sets[j] + ids[i] * dim;
      Mix({rows, sets.size()}, coefficients, dim, out.row(i));
    }
  }

  void Scatter(Rows rows, int64_t dim, std::span<float* const> destinations) override {
    for (size_t i = 0; i < destinations.size(); ++i) std::copy(rows.row(i), rows.row(i) + dim, destinations[i]);
  }
  void Copy(const float* source, int64_t n, float* destination) override { std::copy(source, source + n, destination); }
  float* OnHost(float* data, int64_t) override { return data; }

  void Attend(const EncoderAttention& args) override {
    int64_t work = 0;
    for (const EncoderSequence& s : args.sequences) work += 2 * s.length * s.length * args.heads * args.head_dim;
    For(static_cast<int64_t>(args.sequences.size()) * args.heads, work, [&](int64_t item, int thread) {
      EncodeHead(args, args.sequences[item / args.heads], static_cast<int32_t>(item % args.heads), scratch_[thread]);
    });
  }

  void Attend(const DecodeAttention& args) override {
    int64_t work = 0;
    for (const DecodeQuery& query : args.queries) work += int64_t{2} * query.length * args.heads * args.head_dim;
    // Heads of one query stay together, for their keys lie together; one query alone is shared out.
    const int64_t rows = static_cast<int64_t>(args.queries.size());
    const int64_t groups = std::clamp<int64_t>((int64_t{2} * pool_.threads() + rows - 1) / rows, 1, args.heads);
    const int64_t share = (args.heads + groups - 1) / groups;
    For(rows * groups, work, [&](int64_t item, int thread) {
      const int64_t row = item / groups, first = item % groups * share;
      const int64_t heads = std::min(share, args.heads - first);
      if (heads <= 0) return;
      const DecodeQuery& query = args.queries[row];
      float* scores = Grow(scratch_[thread].scores, heads * query.length);
      kernels_.vector.attend_heads(args.q.row(row), query, static_cast<int32_t>(first), static_cast<int32_t>(heads),
                                   args.head_dim, scores, args.out.row(row));
    });
  }

 private:
  struct Scratch {
    std::vector<float> keys, values, scores;
  };

  template <typename F>
  void For(int64_t items, int64_t work, F&& body) {
    if (work < kParallelWork) {
      for (int64_t i = 0; i < items; ++i) body(i, 0);
    } else {
      pool_.ParallelFor(items, body);
    }
  }

  // Calls body(first row, rows, panel) for every panel and every `block` of `rows`.
  template <typename F>
  void ForPanels(int64_t rows, int64_t panels, int64_t block, int64_t work, F&& body) {
    // Weights that stream from memory are best read in long runs, each by one thread.
    const int64_t run = rows > kFewRows ? 1 : std::max<int64_t>(1, panels / (kSharesOfFewRows * pool_.threads()));
    const int64_t runs = (panels + run - 1) / run;
    For((rows + block - 1) / block * runs, work, [&](int64_t item, int) {
      const int64_t first = item / runs * block, begin = item % runs * run;
      for (int64_t p = begin; p < std::min(begin + run, panels); ++p) body(first, std::min(block, rows - first), p);
    });
  }

  // Calls use(j, i) for each set j whose coefficient is not 0, i counting them, and lists those coefficients.
  template <typename Use>
  static int Used(std::span<const float> coefficients, Use use, float* c) {
    int count = 0;
    for (size_t j = 0; j < coefficients.size(); ++j) {
      if (coefficients[j] == 0.0f) continue;
      use(j, count);
      c[count++] = coefficients[j];
    }
    return count;
  }

  // x as products read it: as it is, and quantized for int8.
  struct Prepared {
    Rows x;
    QuantizedRows quantized;
    Rows coefficients;
    uint32_t used = 0;  // Bit j: some row has a coefficient other than 0 for set j.

    Prepared From(int64_t row) const {
      return {
          {x.row(row), x.count - row, x.stride},
          {quantized.data + row * quantized.stride, quantized.stride, quantized.scales + row, quantized.offsets + row},
          {coefficients.row(row), coefficients.count - row, coefficients.stride},
          used};
    }
  };

  // Multiply-adds of one row.
  static int64_t WorkOf(const Operand& w) {
    return w.w.in * w.w.out * std::max<int64_t>(1, static_cast<int64_t>(w.basis.size()));
  }

  // `panels` panels from `first` on.
  void MixPanels(std::span<const PackedMatrix> sets, std::span<const float> coefficients, Precision precision,
                 int64_t first, int64_t panels, std::byte* packed) const {
    const PackedMatrix& shape = sets[0];
    const int64_t stride = PanelBytes(shape.in, shape.precision), elements = panels * kPanel * shape.in;
    const std::byte* used[kMaxSets];
    float c[kMaxSets];
    const int count = Used(
        coefficients, [&](size_t j, int i) { used[i] = sets[j].data + first * stride; }, c);
    packed += first * PanelBytes(shape.in, precision);
    if (precision == Precision::kFloat32) {
      return kernels_.mix.float32(reinterpret_cast<const float* const*>(used), c, count, elements,
                                  reinterpret_cast<float*>(packed));
    }
    if (precision == Precision::kBfloat16) {
      return kernels_.mix.bfloat16(reinterpret_cast<const uint16_t* const*>(used), c, count, elements,
                                   reinterpret_cast<uint16_t*>(packed));
    }
    kernels_.mix.panels_to_int8(used, shape.precision, c, count, shape.in, panels, packed);
  }

  static uint32_t UsedSets(Rows coefficients, int64_t rows, size_t sets) {
    uint32_t used = 0;
    for (int64_t r = 0; r < rows; ++r) {
      for (size_t j = 0; j < sets; ++j) {
        if (coefficients.row(r)[j] != 0.0f) used |= uint32_t{1} << j;
      }
    }
    return used;
  }

  Prepared Prepare(Rows x, const Operand& operand, Rows coefficients) {
    const PackedMatrix& w = operand.w;
    Prepared prepared{x, {}, coefficients, UsedSets(coefficients, x.count, operand.basis.size())};
    if (w.precision != Precision::kInt8) return prepared;
    QuantizedRows& q = prepared.quantized;
    q.stride = QuantizedStride(w.in);
    q.data = reinterpret_cast<std::byte*>(Grow(quantized_, x.count * q.stride / 4));
    q.scales = Grow(quantized_scales_, 2 * x.count);
    q.offsets = reinterpret_cast<int32_t*>(q.scales + x.count);
    For(x.count, 4 * x.count * w.in, [&](int64_t r, int) { kernels_.product.quantize(x.row(r), w.in, q, r); });
    return prepared;
  }

  // y[0, columns of panel p) for the first y.count rows of x.
  void MultiplyPanel(const Prepared& x, const PackedMatrix& w, int64_t p, Rows y, Accumulate mode) const {
    const std::byte* const panel = w.data + p * PanelBytes(w.in, w.precision);
    const int64_t columns = std::min(kPanel, w.out - p * kPanel);
    switch (w.precision) {
      case Precision::kFloat32:
        return kernels_.product.float32(x.x, w.in, panel, columns, y, mode);
      case Precision::kBfloat16:
        return kernels_.product.bfloat16(x.x, w.in, panel, columns, y, mode);
      case Precision::kInt8:
        return kernels_.product.int8(x.quantized, w.in, panel, columns, y, mode);
    }
  }

  void MultiplyPanel(const Prepared& x, const Operand& w, int64_t p, Rows y, Accumulate mode) const {
    if (w.basis.empty()) return MultiplyPanel(x, w.w, p, y, mode);
    const int64_t columns = std::min(kPanel, w.w.out - p * kPanel);
    alignas(64) float term[kTileBlock * kPanel], sum[kTileBlock * kPanel];
    for (int64_t r = 0; r < y.count; r += kTileBlock) {
      const int64_t rows = std::min(kTileBlock, y.count - r);
      const Prepared part = x.From(r);
      std::fill(sum, sum + rows * kPanel, 0.0f);
      for (size_t j = 0; j < w.basis.size(); ++j) {
        if ((x.used >> j & 1) == 0) continue;
        MultiplyPanel(part, w.basis[j], p, {term, rows, kPanel}, Accumulate::kStore);
        for (int64_t i = 0; i < rows; ++i) {
          kernels_.vector.add_scaled(part.coefficients.row(i)[j], term + i * kPanel, columns, sum + i * kPanel);
        }
      }
      for (int64_t i = 0; i < rows; ++i) {
        float* const out = y.row(r + i);
        if (mode == Accumulate::kStore) {
          std::copy(sum + i * kPanel, sum + i * kPanel + columns, out);
        } else {
          kernels_.vector.add_scaled(1.0f, sum + i * kPanel, columns, out);
        }
      }
    }
  }

  // The transpose of `columns` rows of `depth` floats, `stride` apart, as one float32 panel.
  static void PackPanel(const float* w, int64_t stride, int64_t columns, int64_t depth, float* panel) {
    if (columns < kPanel) std::fill(panel, panel + kPanel * depth, 0.0f);
    for (int64_t c = 0; c < columns; ++c) {
      for (int64_t k = 0; k < depth; ++k) panel[k * kPanel + c] = w[c * stride + k];
    }
  }

  // A (depth, columns) block whose rows are `stride` apart, as float32 panels of columns.
  static void PackColumns(const float* v, int64_t stride, int64_t depth, int64_t columns, float* packed) {
    for (int64_t p = 0; p < Panels(columns); ++p) {
      const int64_t width = std::min(kPanel, columns - p * kPanel);
      for (int64_t k = 0; k < depth; ++k) {
        float* line = packed + (p * depth + k) * kPanel;
        std::copy(v + k * stride + p * kPanel, v + k * stride + p * kPanel + width, line);
        std::fill(line + width, line + kPanel, 0.0f);
      }
    }
  }

  void FloatProduct(Rows x, int64_t depth, const float* packed, int64_t columns, Rows y) const {
    const PackedMatrix w{reinterpret_cast<const std::byte*>(packed), columns, depth, Precision::kFloat32};
    for (int64_t p = 0; p < Panels(columns); ++p) {
      MultiplyPanel({x, {}, {}}, w, p, {y.data + p * kPanel, y.count, y.stride}, Accumulate::kStore);
    }
  }

  // One head of one sequence: scores and values as panel products, a block of queries at a time.
  void EncodeHead(const EncoderAttention& args, const EncoderSequence& sequence, int32_t head, Scratch& scratch) const {
    const int64_t n = sequence.length, dim = args.head_dim, column = int64_t{head} * dim;
    float* keys = Grow(scratch.keys, Panels(n) * kPanel * dim);
    float* values = Grow(scratch.values, Panels(dim) * kPanel * n);
    float* scores = Grow(scratch.scores, kQueryBlock * RowStride(n));
    for (int64_t p = 0; p < Panels(n); ++p) {
      PackPanel(args.k.row(sequence.begin + p * kPanel) + column, args.k.stride, std::min(kPanel, n - p * kPanel), dim,
                keys + p * kPanel * dim);
    }
    PackColumns(args.v.row(sequence.begin) + column, args.v.stride, n, dim, values);
    const float* bias = HeadBias(sequence.bias, head);
    for (int64_t i = 0; i < n; i += kQueryBlock) {
      const int64_t rows = std::min(kQueryBlock, n - i);
      const Rows block{scores, rows, RowStride(n)};
      FloatProduct({args.q.row(sequence.begin + i) + column, rows, args.q.stride}, dim, keys, n, block);
      for (int64_t r = 0; r < rows; ++r) {
        if (bias != nullptr) kernels_.vector.add_bias(bias, sequence.bias.reach, i + r, n, block.row(r));
        kernels_.vector.softmax(block.row(r), n);
      }
      FloatProduct(block, n, values, dim, {args.out.row(sequence.begin + i) + column, rows, args.out.stride});
    }
  }

  const CpuKernels& kernels_;
  ThreadPool pool_;
  std::vector<Scratch> scratch_;  // One per thread.
  std::vector<float> quantized_;  // Of the engine thread, for the product at hand.
  std::vector<float> quantized_scales_;
};

}  // namespace

std::unique_ptr<Backend> NewCpuBackend(int threads, absl::string_view instruction_set) {
  const std::vector<CpuKernels>& all = AllCpuKernels();
  const auto named = [&](const CpuKernels& kernels) { return kernels.instruction_set == instruction_set; };
  const auto found = std::find_if(all.begin(), all.end(), named);
  return std::make_unique<CpuBackend>(threads, found == all.end() ? all.front() : *found);
}

}  // namespace trimtab
