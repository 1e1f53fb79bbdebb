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

int64_t Panels(int64_t columns) { return (columns + kPanel - 1) / kPanel; }

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
  explicit CpuBackend(int threads) : kernels_(BestCpuKernels()), pool_(threads), scratch_(threads) {}

  absl::string_view name() const override { return "cpu"; }
  absl::StatusOr<Buffer> Allocate(int64_t elements) override { return AllocateHost(elements); }
  int64_t PackedElements(int64_t out, int64_t in) const override { return Panels(out) * kPanel * in; }

  void Pack(const float* w, int64_t out, int64_t in, float* packed) const override {
    PackStrided(w, in, out, in, packed);
  }

  void Mix(std::span<const float* const> sets, std::span<const float> coefficients, int64_t n,
           float* out) const override {
    constexpr int kMaxSets = 64;
    const float* used[kMaxSets];
    float c[kMaxSets];
    int count = 0;
    for (size_t j = 0; j < sets.size(); ++j) {
      if (coefficients[j] == 0.0f) continue;
      used[count] = sets[j];
      c[count++] = coefficients[j];
    }
    kernels_.mix(used, c, count, n, out);
  }

  void MatMul(Rows x, const PackedMatrix& w, Rows y, Accumulate mode) override {
    const int64_t panels = Panels(w.out);
    auto run = [&](int64_t p, int) {
      Rows out = y;
      out.data += p * kPanel;
      kernels_.panel_product(x, w.in, w.data + p * kPanel * w.in, std::min(kPanel, w.out - p * kPanel), out, mode);
    };
    For(panels, x.count * w.out * w.in, run);
  }

  void RmsNorm(Rows x, int64_t dim, const float* gain, float epsilon, Rows y) override {
    For(x.count, x.count * dim, [&](int64_t r, int) { kernels_.rms_norm(x.row(r), dim, gain, epsilon, y.row(r)); });
  }

  void Activate(Activation activation, Rows gate, Rows up, int64_t dim, Rows out) override {
    For(gate.count, 8 * gate.count * dim, [&](int64_t r, int) {
      kernels_.activate(activation, gate.row(r), up.data == nullptr ? nullptr : up.row(r), dim, out.row(r));
    });
  }

  void Embed(std::span<const float* const> sets, std::span<const float> coefficients, int64_t dim,
             std::span<const int32_t> ids, Rows out) override {
    std::vector<const float*> rows(sets.size());
    for (size_t i = 0; i < ids.size(); ++i) {
      for (size_t j = 0; j < sets.size(); ++j) rows[j] = sets[j] + ids[i] * dim;
      Mix(rows, coefficients, dim, out.row(i));
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
    For(static_cast<int64_t>(args.queries.size()) * args.heads, work, [&](int64_t item, int thread) {
      const int64_t row = item / args.heads;
      const int32_t head = static_cast<int32_t>(item % args.heads);
      const int64_t column = int64_t{head} * args.head_dim;
      const DecodeQuery& query = args.queries[row];
      float* scores = Grow(scratch_[thread].scores, query.length);
      kernels_.attend_one(args.q.row(row) + column, query.keys + column, query.values + column, query,
                          HeadBias(query.bias, head), args.head_dim, scores, args.out.row(row) + column);
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

  // Packs rows `stride` apart.
  static void PackStrided(const float* w, int64_t stride, int64_t out, int64_t in, float* packed) {
    for (int64_t p = 0; p < Panels(out); ++p) {
      const int64_t columns = std::min(kPanel, out - p * kPanel);
      float* panel = packed + p * kPanel * in;
      if (columns < kPanel) std::fill(panel, panel + kPanel * in, 0.0f);
      for (int64_t c = 0; c < columns; ++c) {
        const float* row = w + (p * kPanel + c) * stride;
        for (int64_t k = 0; k < in; ++k) panel[k * kPanel + c] = row[k];
      }
    }
  }

  // Packs the transpose of a (depth, columns) block whose rows are `stride` apart.
  static void PackTransposed(const float* v, int64_t stride, int64_t depth, int64_t columns, float* packed) {
    for (int64_t p = 0; p < Panels(columns); ++p) {
      const int64_t width = std::min(kPanel, columns - p * kPanel);
      for (int64_t k = 0; k < depth; ++k) {
        float* line = packed + (p * depth + k) * kPanel;
        std::copy(v + k * stride + p * kPanel, v + k * stride + p * kPanel + width, line);
        std::fill(line + width, line + kPanel, 0.0f);
      }
    }
  }

  void Product(Rows x, int64_t depth, const float* packed, int64_t columns, Rows y) const {
    for (int64_t p = 0; p < Panels(columns); ++p) {
      Rows out = y;
      out.data += p * kPanel;
      kernels_.panel_product(x, depth, packed + p * kPanel * depth, std::min(kPanel, columns - p * kPanel), out,
                             Accumulate::kStore);
    }
  }

  // One head of one sequence: scores and values as panel products, a block of queries at a time.
  void EncodeHead(const EncoderAttention& args, const EncoderSequence& sequence, int32_t head, Scratch& scratch) const {
    const int64_t n = sequence.length, dim = args.head_dim, column = int64_t{head} * dim;
    float* keys = Grow(scratch.keys, Panels(n) * kPanel * dim);
    float* values = Grow(scratch.values, Panels(dim) * kPanel * n);
    float* scores = Grow(scratch.scores, kQueryBlock * n);
    PackStrided(args.k.row(sequence.begin) + column, args.k.stride, n, dim, keys);
    PackTransposed(args.v.row(sequence.begin) + column, args.v.stride, n, dim, values);
    const float* bias = HeadBias(sequence.bias, head);
    for (int64_t i = 0; i < n; i += kQueryBlock) {
      const int64_t rows = std::min(kQueryBlock, n - i);
      const Rows block{scores, rows, n};
      Product({args.q.row(sequence.begin + i) + column, rows, args.q.stride}, dim, keys, n, block);
      for (int64_t r = 0; r < rows; ++r) {
        if (bias != nullptr) AddBias(bias, sequence.bias.reach, i + r, n, block.row(r));
        kernels_.softmax(block.row(r), n);
      }
      Product(block, n, values, dim, {args.out.row(sequence.begin + i) + column, rows, args.out.stride});
    }
  }

  static void AddBias(const float* bias, int64_t reach, int64_t query, int64_t n, float* scores) {
    for (int64_t key = 0; key < n; ++key) scores[key] += bias[reach + std::clamp(key - query, -reach, reach)];
  }

  const CpuKernels& kernels_;
  ThreadPool pool_;
  std::vector<Scratch> scratch_;  // One per thread.
};

}  // namespace

std::unique_ptr<Backend> NewCpuBackend(int threads) { return std::make_unique<CpuBackend>(threads); }

}  // namespace trimtab
