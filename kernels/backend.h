// The arithmetic that T5 and CLP need, behind one interface with a body per device.
//
// All pointers are addresses in the backend's own memory (host memory for "reference" and "cpu") unless they say
// otherwise; spans and what they view are the host's. Matrices of activations are row-major float32 with an explicit
// row stride in elements. Sums are float32, those of int8 products int32.
//
// Batch invariance: every output element is computed by the same additions in the same order whatever the number
// of rows, of products in one call and of threads, so a request gets the same bits alone and in any batch.
//
// Thread-safety: Mix, MixMatrix, Pack, Upload, Download, Allocate and the size queries may be called from any thread at
// any time and are done when they return. All other operations belong to one engine thread at a time; a device may
// still be at work on them when they return, in their order, until OnHost or Wait.
#ifndef TRIMTAB_KERNELS_BACKEND_H_
#define TRIMTAB_KERNELS_BACKEND_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kernels/buffer.h"
#include "kernels/precision.h"

namespace trimtab {

// Sets of one conditioned tensor, at most: 16 rewards and the reference, with room.
inline constexpr int kMaxSets = 32;

// A weight matrix W of a linear layer y = x W^T, in the layout its backend packed it to. Does not own.
struct PackedMatrix {
  const std::byte* data = nullptr;
  int64_t out = 0;  // Rows of W: features produced.
  int64_t in = 0;   // Columns of W: features consumed. At most kMaxInt8Depth in int8.
  Precision precision = Precision::kFloat32;
  friend bool operator==(const PackedMatrix&, const PackedMatrix&) = default;
};

// A row-major block of activations. Does not own.
struct Rows {
  float* data = nullptr;
  int64_t count = 0;   // Rows.
  int64_t stride = 0;  // Elements from one row to the next.
  float* row(int64_t i) const { return data + i * stride; }
};

enum class Accumulate { kStore, kAdd };

// What a row is multiplied by: one matrix, or a mixture of its own of several, computed without being made:
//   W x = sum_j c_j (W_j x)   with c the row's coefficients, summed in the order of j.
// Does not own.
struct Operand {
  Operand() = default;
  Operand(const PackedMatrix& matrix) : w(matrix) {}  // NOLINT: the ordinary case reads like a matrix.
  // REQUIRES: `sets` is not empty, of one shape and precision.
  explicit Operand(std::span<const PackedMatrix> sets) : w(sets[0]), basis(sets) {}
  bool empty() const { return w.data == nullptr; }

  PackedMatrix w;                       // The matrix; with a basis, its first one.
  std::span<const PackedMatrix> basis;  // Empty: w alone.
};

// One of several products of the same x. Does not own.
struct Product {
  Operand w;
  Rows y;
  Accumulate mode = Accumulate::kStore;
};

enum class Activation { kRelu, kGeluNew, kGelu, kSilu };

// T5's additive attention bias by clipped distance: bias[h * (2 * reach + 1) + reach + clamp(key - query)].
// `table` is (heads, 2 * reach + 1), or null for no bias.
struct RelativeBias {
  const float* table = nullptr;
  int32_t reach = 0;
};

// One sequence of a ragged encoder batch: rows [begin, begin + length) of q, k, v and out.
struct EncoderSequence {
  int64_t begin = 0;
  int64_t length = 0;
  RelativeBias bias;
};

struct EncoderAttention {
  Rows q, k, v, out;  // (rows, heads * head_dim) each.
  int32_t heads = 0;
  int32_t head_dim = 0;
  std::span<const EncoderSequence> sequences;
};

// One query row against the keys and values it may see.
struct DecodeQuery {
  const float* keys = nullptr;    // (length, heads * head_dim), rows `row_stride` apart.
  const float* values = nullptr;  // Same shape and stride.
  int64_t row_stride = 0;
  int32_t length = 0;    // Keys visible, >= 1.
  int32_t position = 0;  // Of the query, for the bias.
  RelativeBias bias;
};

struct DecodeAttention {
  Rows q, out;  // (rows, heads * head_dim).
  int32_t heads = 0;
  int32_t head_dim = 0;
  std::span<const DecodeQuery> queries;  // One per row.
};

class TokenChooser;  // kernels/choice.h

class Backend {
 public:
  virtual ~Backend() = default;
  virtual absl::string_view name() const = 0;
  // What the bytes of packed matrices depend on beside shape and precision: who kept them for another layout packs
  // again.
  virtual std::string layout() const = 0;

  // Memory, 64-byte aligned, values unspecified. ResourceExhausted when there is none.
  virtual absl::StatusOr<Buffer> Allocate(int64_t elements) = 0;
  // Whether the host can follow the backend's pointers.
  virtual bool on_host() const { return true; }
  // From host memory to the backend's, and back what Pack, Mix, MixMatrix and Upload wrote.
  virtual void Upload(const void* host, int64_t bytes, std::byte* to) const;
  virtual void Download(const std::byte* from, int64_t bytes, void* host) const;

  // Bytes of the packed form of an (out, in) matrix, padding and scales included; a multiple of 4.
  virtual int64_t PackedBytes(int64_t out, int64_t in, Precision precision) const = 0;
  // Packs row-major `w` (out, in), in host memory, into `packed` (PackedBytes, 64-byte aligned). In float32 and
  // bfloat16 this only moves (and rounds) elements and pads with zeros, so that matrices mix in packed form.
  virtual void Pack(const float* w, int64_t out, int64_t in, Precision precision, std::byte* packed) const = 0;

  // out[i] = sum_j coefficients[j] * sets[j][i] in one pass over memory (paper eq. 3). A set whose coefficient is 0
  // is never read, and the first product is not added to anything, so one coefficient of 1 copies bit for bit.
  // REQUIRES: 0 < sets.size() == coefficients.size() <= kMaxSets, some coefficient is not 0; `out` overlaps no set.
  virtual void Mix(std::span<const float* const> sets, std::span<const float> coefficients, int64_t n,
                   float* out) const = 0;
  // The same for packed matrices, summed in float32, written in `precision` to `packed`. Reads and writes memory once,
  // whatever the precision: int8 scales are found panel by panel.
  // REQUIRES: the sets have one shape and one precision, float32 or bfloat16; `precision` is theirs or int8.
  virtual void MixMatrix(std::span<const PackedMatrix> sets, std::span<const float> coefficients, Precision precision,
                         std::byte* packed) const = 0;
  // The same bits, made by all threads. For the engine thread.
  virtual void MixMatrixNow(std::span<const PackedMatrix> sets, std::span<const float> coefficients,
                            Precision precision, std::byte* packed) = 0;

  // y = x W^T, or y += x W^T, for each product. Row r of `coefficients` (at least as many columns as sets) is that of
  // x; only products over a basis read it. A set whose coefficient is 0 in every row is not read. REQUIRES: one W.in,
  // one precision, one number of rows and of sets; no y overlaps x or another.
  virtual void MatMul(Rows x, std::span<const Product> products, Rows coefficients = {}) = 0;
  // y = activation(x W^T), times x up^T unless `up` is empty: the first half of T5's feed-forward layer.
  // REQUIRES: `up` has the shape, the precision and the number of sets of `w`.
  virtual void ActivatedMatMul(Rows x, const Operand& w, const Operand& up, Activation activation, Rows y,
                               Rows coefficients = {}) = 0;

  // y = x / sqrt(mean(x^2) + epsilon) * gain, per row (T5's norm: no mean, no bias). y may be x.
  virtual void RmsNorm(Rows x, int64_t dim, const float* gain, float epsilon, Rows y) = 0;

  // out.row(i) = sum_j coefficients[j] * sets[j][ids[i]], with the order of additions of Mix.
  virtual void Embed(std::span<const float* const> sets, std::span<const float> coefficients, int64_t dim,
                     std::span<const int32_t> ids, Rows out) = 0;

  // Copies row i (`dim` elements) to destinations[i]: how new keys and values reach their slots.
  virtual void Scatter(Rows rows, int64_t dim, std::span<float* const> destinations) = 0;
  // `source` may be host memory, which has been read when this returns.
  virtual void Copy(const float* source, int64_t n, float* destination) = 0;
  // The same values where the host can read and write them: in place for host backends, else a staging copy that the
  // next call overwrites.
  virtual float* OnHost(float* data, int64_t n) = 0;
  // Until everything that the engine thread asked for is done: for who measures how long it takes.
  virtual void Wait() {}

  // Between both the engine thread asks for a step that it will ask for again, the same operations on other values,
  // places and numbers of rows. A device may hold it back until EndStep, or until OnHost, Copy or Wait, and start it as
  // one. REQUIRES: what the step reads and writes lives until EndStep; steps do not nest.
  virtual void BeginStep() {}
  virtual void EndStep() {}

  // softmax(q k^T + bias) v per sequence and head; scores are not scaled (T5).
  virtual void Attend(const EncoderAttention& args) = 0;
  virtual void Attend(const DecodeAttention& args) = 0;

  // Null where the host reads the logits as they lie.
  virtual TokenChooser* token_chooser() { return nullptr; }
};

// Scalar loops that read like the formulas: the oracle of every other body.
std::unique_ptr<Backend> NewReferenceBackend();

// Vectorised for the CPU it runs on. `threads` >= 1 includes the caller. `instruction_set` is one of
// CpuInstructionSets(), or empty for the best.
std::unique_ptr<Backend> NewCpuBackend(int threads, absl::string_view instruction_set = "");

// What this binary has loops for and this CPU runs, the best first: "AVX3_DL" (AVX-512 with VNNI), "AVX3" (AVX-512),
// "AVX2", "SSE4", ...
std::vector<std::string> CpuInstructionSets();

// "reference", "cpu", "cuda" or "cuda:N" (kernels/cuda/cuda_backend.h says how that fails), or "auto": the first GPU if
// there is one, else "cpu". InvalidArgument for any other name.
absl::StatusOr<std::unique_ptr<Backend>> NewBackend(absl::string_view name, int threads);

}  // namespace trimtab

#endif  // TRIMTAB_KERNELS_BACKEND_H_
