// The production CPU path: cuts each operation into slices for the thread pool; the loops are in cpu_kernels.cc.
#include <algorithm>
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
constexpr int64_t kActivatedRows = 24;  // Of gate and factor, on the stack.

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
    const std::byte* used[kMaxSets];
    float c[kMaxSets];
    const int count = Used(
        coefficients, [&](size_t j, int i) { used[i] = sets[j].data; }, c);
    const PackedMatrix& shape = sets[0];
    const int64_t panel = kPanel * shape.in, elements = Panels(shape.out) * panel;
    if (precision == Precision::kFloat32) {
      kernels_.mix.float32(reinterpret_cast<const float* const*>(used), c, count, elements,
                           reinterpret_cast<float*>(packed));
    } else if (precision == Precision::kBfloat16) {
      kernels_.mix.bfloat16(reinterpret_cast<const uint16_t* const*>(used), c, count, elements,
                            reinterpret_cast<uint16_t*>(packed));
    } else {
      std::vector<float> scratch(panel);
      for (int64_t p = 0; p < Panels(shape.out); ++p) {
        kernels_.mix.panel_to_int8(used, shape.precision, c, count, shape.in, scratch.data(),
                                   packed + p * PanelBytes(shape.in, precision));
        for (int i = 0; i < count; ++i) used[i] += PanelBytes(shape.in, shape.precision);
      }
    }
  }

  void MatMul(Rows x, std::span<const Product> products) override {
    const Prepared input = Prepare(x, products[0].w);
    int64_t panels = 0, outputs = 0;
    for (const Product& product : products) {
      panels += Panels(product.w.out);
      outputs += product.w.out;
    }
    For(panels, x.count * products[0].w.in * outputs, [&](int64_t item, int) {
      const Product* product = products.data();
      for (; item >= Panels(product->w.out); ++product) item -= Panels(product->w.out);
      Rows y = product->y;
      y.count = x.count;
      y.data += item * kPanel;
      MultiplyPanel(input, product->w, item, y, product->mode);
    });
  }

  void ActivatedMatMul(Rows x, const PackedMatrix& w, const PackedMatrix& up, Activation activation, Rows y) override {
    const Prepared input = Prepare(x, w);
    For(Panels(w.out), x.count * w.in * w.out * (up.data == nullptr ? 1 : 2), [&](int64_t p, int) {
      const int64_t columns = std::min(kPanel, w.out - p * kPanel);
      alignas(64) float gate[kActivatedRows * kPanel], factor[kActivatedRows * kPanel];
      for (int64_t r = 0; r < x.count; r += kActivatedRows) {
        const int64_t rows = std::min(kActivatedRows, x.count - r);
        const Prepared part = input.From(r);
        MultiplyPanel(part, w, p, {gate, rows, kPanel}, Accumulate::kStore);
        if (up.data != nullptr) MultiplyPanel(part, up, p, {factor, rows, kPanel}, Accumulate::kStore);
        for (int64_t i = 0; i < rows; ++i) {
          kernels_.vector.activate(activation, gate + i * kPanel, up.data == nullptr ? nullptr : factor + i * kPanel,
                                   columns, y.row(r + i) + p * kPanel);
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
    const int64_t groups = std::clamp<int64_t>((2 * pool_.threads() + rows - 1) / rows, 1, args.heads);
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

    Prepared From(int64_t row) const {
      return {
          {x.row(row), x.count - row, x.stride},
          {quantized.data + row * quantized.stride, quantized.stride, quantized.scales + row, quantized.offsets + row}};
    }
  };

  Prepared Prepare(Rows x, const PackedMatrix& w) {
    Prepared prepared{x, {}};
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
      MultiplyPanel({x, {}}, w, p, {y.data + p * kPanel, y.count, y.stride}, Accumulate::kStore);
    }
  }

  // One head of one sequence: scores and values as panel products, a block of queries at a time.
  void EncodeHead(const EncoderAttention& args, const EncoderSequence& sequence, int32_t head, Scratch& scratch) const {
    const int64_t n = sequence.length, dim = args.head_dim, column = int64_t{head} * dim;
    float* keys = Grow(scratch.keys, Panels(n) * kPanel * dim);
    float* values = Grow(scratch.values, Panels(dim) * kPanel * n);
    float* scores = Grow(scratch.scores, kQueryBlock * n);
    for (int64_t p = 0; p < Panels(n); ++p) {
      PackPanel(args.k.row(sequence.begin + p * kPanel) + column, args.k.stride, std::min(kPanel, n - p * kPanel), dim,
                keys + p * kPanel * dim);
    }
    PackColumns(args.v.row(sequence.begin) + column, args.v.stride, n, dim, values);
    const float* bias = HeadBias(sequence.bias, head);
    for (int64_t i = 0; i < n; i += kQueryBlock) {
      const int64_t rows = std::min(kQueryBlock, n - i);
      const Rows block{scores, rows, n};
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
