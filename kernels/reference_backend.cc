// The formulas, one scalar at a time: the oracle every other backend is tested against.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/backend.h"
#include "kernels/host_memory.h"

namespace trimtab {
namespace {

float Activated(Activation activation, float x) {
  switch (activation) {
    case Activation::kRelu:
      return std::max(x, 0.0f);
    case Activation::kGeluNew:
      return 0.5f * x * (1.0f + std::tanh(0.7978845608f * (x + 0.044715f * x * x * x)));
    case Activation::kGelu:
      return 0.5f * x * (1.0f + std::erf(x * 0.7071067812f));
    case Activation::kSilu:
      return x / (1.0f + std::exp(-x));
  }
  return x;
}

float BiasAt(const RelativeBias& bias, int32_t head, int64_t distance) {
  if (bias.table == nullptr) return 0.0f;
  const int64_t clipped = std::clamp<int64_t>(distance, -bias.reach, bias.reach);
  return bias.table[head * (2 * int64_t{bias.reach} + 1) + bias.reach + clipped];
}

// softmax(scores) in place.
void Softmax(std::vector<float>& scores) {
  const float top = *std::max_element(scores.begin(), scores.end());
  float sum = 0.0f;
  for (float& s : scores) sum += (s = std::exp(s - top));
  for (float& s : scores) s /= sum;
}

// One head of one query over `length` keys, `stride` apart.
void AttendOne(const float* q, const float* keys, const float* values, int64_t stride, int64_t length, int64_t position,
               const RelativeBias& bias, int32_t head, int32_t head_dim, float* out) {
  std::vector<float> scores(length);
  for (int64_t key = 0; key < length; ++key) {
    float dot = 0.0f;
    for (int32_t d = 0; d < head_dim; ++d) dot += q[d] * keys[key * stride + d];
    scores[key] = dot + BiasAt(bias, head, key - position);
  }
  Softmax(scores);
  for (int32_t d = 0; d < head_dim; ++d) {
    float sum = 0.0f;
    for (int64_t key = 0; key < length; ++key) sum += scores[key] * values[key * stride + d];
    out[d] = sum;
  }
}

// Symmetric int8: values / scale, rounded to nearest even. Returns the scale.
float Quantize(const float* values, int64_t n, int8_t* quantized) {
  float top = 0.0f;
  for (int64_t i = 0; i < n; ++i) top = std::max(top, std::abs(values[i]));
  const bool zero = top < kLeastQuantizable;
  const float inverse = zero ? 0.0f : 127.0f / top;
  for (int64_t i = 0; i < n; ++i) quantized[i] = static_cast<int8_t>(std::nearbyint(values[i] * inverse));
  return zero ? 0.0f : top / 127.0f;
}

// W as row-major floats. REQUIRES: not int8.
std::vector<float> Widened(const PackedMatrix& w) {
  std::vector<float> values(w.out * w.in);
  for (int64_t i = 0; i < w.out * w.in; ++i) {
    values[i] = w.precision == Precision::kFloat32 ? reinterpret_cast<const float*>(w.data)[i]
                                                   : FromBfloat16(reinterpret_cast<const uint16_t*>(w.data)[i]);
  }
  return values;
}

std::vector<float> MultiplyInt8(const float* x, const PackedMatrix& w) {
  const float* scales = reinterpret_cast<const float*>(w.data);
  const int8_t* weights = reinterpret_cast<const int8_t*>(w.data + w.out * 4);
  std::vector<int8_t> quantized(w.in);
  const float scale = Quantize(x, w.in, quantized.data());
  std::vector<float> y(w.out);
  for (int64_t n = 0; n < w.out; ++n) {
    int32_t sum = 0;
    for (int64_t k = 0; k < w.in; ++k) sum += int32_t{quantized[k]} * weights[n * w.in + k];
    y[n] = static_cast<float>(sum) * (scale * scales[n]);
  }
  return y;
}

// One row of x W^T.
std::vector<float> Multiply(const float* x, const PackedMatrix& w) {
  if (w.precision == Precision::kInt8) return MultiplyInt8(x, w);
  std::vector<float> y(w.out);
  for (int64_t n = 0; n < w.out; ++n) {
    for (int64_t k = 0; k < w.in; ++k) {
      const int64_t i = n * w.in + k;
      y[n] += x[k] * (w.precision == Precision::kFloat32 ? reinterpret_cast<const float*>(w.data)[i]
                                                         : FromBfloat16(reinterpret_cast<const uint16_t*>(w.data)[i]));
    }
  }
  return y;
}

// One row of x W^T, W over its basis where it has one.
std::vector<float> Multiply(const float* x, const Operand& w, const float* coefficients) {
  if (w.basis.empty()) return Multiply(x, w.w);
  std::vector<float> y(w.w.out);
  for (size_t j = 0; j < w.basis.size(); ++j) {
    if (coefficients[j] == 0.0f) continue;
    const std::vector<float> term = Multiply(x, w.basis[j]);
    for (int64_t n = 0; n < w.w.out; ++n) y[n] += coefficients[j] * term[n];
  }
  return y;
}

class ReferenceBackend final : public Backend {
 public:
  std::string layout() const override { return "reference"; }
  absl::string_view name() const override { return "reference"; }
  absl::StatusOr<Buffer> Allocate(int64_t elements) override { return AllocateHost(elements); }

  // Row-major, in int8 after one scale per output.
  int64_t PackedBytes(int64_t out, int64_t in, Precision precision) const override {
    switch (precision) {
      case Precision::kFloat32:
        return out * in * 4;
      case Precision::kBfloat16:
        return (out * in * 2 + 3) / 4 * 4;
      case Precision::kInt8:
        return out * 4 + (out * in + 3) / 4 * 4;
    }
    return 0;
  }

  void Pack(const float* w, int64_t out, int64_t in, Precision precision, std::byte* packed) const override {
    std::memset(packed, 0, PackedBytes(out, in, precision));
    if (precision == Precision::kInt8) {
      float* scales = reinterpret_cast<float*>(packed);
      int8_t* quantized = reinterpret_cast<int8_t*>(packed + out * 4);
      for (int64_t n = 0; n < out; ++n) scales[n] = Quantize(w + n * in, in, quantized + n * in);
      return;
    }
    for (int64_t i = 0; i < out * in; ++i) {
      if (precision == Precision::kFloat32) {
        reinterpret_cast<float*>(packed)[i] = w[i];
      } else {
        reinterpret_cast<uint16_t*>(packed)[i] = ToBfloat16(w[i]);
      }
    }
  }

  void Mix(std::span<const float* const> sets, std::span<const float> coefficients, int64_t n,
           float* out) const override {
    for (int64_t i = 0; i < n; ++i) {
      bool first = true;
      for (size_t j = 0; j < sets.size(); ++j) {
        if (coefficients[j] == 0.0f) continue;
        const float term = coefficients[j] * sets[j][i];
        out[i] = first ? term : out[i] + term;
        first = false;
      }
    }
  }

  void MixMatrix(std::span<const PackedMatrix> sets, std::span<const float> coefficients, Precision precision,
                 std::byte* packed) const override {
    const int64_t out = sets[0].out, in = sets[0].in;
    std::vector<std::vector<float>> widened;
    std::vector<const float*> pointers;
    for (size_t j = 0; j < sets.size(); ++j) {
      widened.push_back(coefficients[j] == 0.0f ? std::vector<float>() : Widened(sets[j]));
      pointers.push_back(widened.back().data());
    }
    std::vector<float> mixed(out * in);
    Mix(pointers, coefficients, out * in, mixed.data());
    Pack(mixed.data(), out, in, precision, packed);
  }

  void MixMatrixNow(std::span<const PackedMatrix> sets, std::span<const float> coefficients, Precision precision,
                    std::byte* packed) override {
    MixMatrix(sets, coefficients, precision, packed);
  }

  void MatMul(Rows x, std::span<const Product> products, Rows coefficients) override {
    for (const Product& product : products) {
      for (int64_t r = 0; r < x.count; ++r) {
        const std::vector<float> line = Multiply(x.row(r), product.w, coefficients.row(r));
        for (int64_t n = 0; n < product.w.w.out; ++n) {
          float& y = product.y.row(r)[n];
          y = product.mode == Accumulate::kAdd ? y + line[n] : line[n];
        }
      }
    }
  }

  void ActivatedMatMul(Rows x, const Operand& w, const Operand& up, Activation activation, Rows y,
                       Rows coefficients) override {
    for (int64_t r = 0; r < x.count; ++r) {
      const std::vector<float> gate = Multiply(x.row(r), w, coefficients.row(r));
      const std::vector<float> factor =
          up.empty() ? std::vector<float>(w.w.out, 1.0f) : Multiply(x.row(r), up, coefficients.row(r));
      for (int64_t n = 0; n < w.w.out; ++n) y.row(r)[n] = Activated(activation, gate[n]) * factor[n];
    }
  }

  void RmsNorm(Rows x, int64_t dim, const float* gain, float epsilon, Rows y) override {
    for (int64_t r = 0; r < x.count; ++r) {
      float squares = 0.0f;
      for (int64_t i = 0; i < dim; ++i) squares += x.row(r)[i] * x.row(r)[i];
      const float scale = 1.0f / std::sqrt(squares / static_cast<float>(dim) + epsilon);
      for (int64_t i = 0; i < dim; ++i) y.row(r)[i] = x.row(r)[i] * scale * gain[i];
    }
  }

  void Embed(std::span<const float* const> sets, std::span<const float> coefficients, int64_t dim,
             std::span<const int32_t> ids, Rows out) override {
    for (size_t i = 0; i < ids.size(); ++i) {
      std::vector<const float*> rows;
      for (const float* set : sets) rows.push_back(set + ids[i] * dim);
      Mix(rows, coefficients, dim, out.row(i));
    }
  }

  void Scatter(Rows rows, int64_t dim, std::span<float* const> destinations) override {
    for (size_t i = 0; i < destinations.size(); ++i) std::copy(rows.row(i), rows.row(i) + dim, destinations[i]);
  }
  void Copy(const float* source, int64_t n, float* destination) override { std::copy(source, source + n, destination); }
  float* OnHost(float* data, int64_t) override { return data; }

  void Attend(const EncoderAttention& args) override {
    for (const EncoderSequence& sequence : args.sequences) {
      for (int64_t i = 0; i < sequence.length; ++i) {
        for (int32_t h = 0; h < args.heads; ++h) {
          const int64_t column = int64_t{h} * args.head_dim;
          AttendOne(args.q.row(sequence.begin + i) + column, args.k.row(sequence.begin) + column,
                    args.v.row(sequence.begin) + column, args.k.stride, sequence.length, i, sequence.bias, h,
                    args.head_dim, args.out.row(sequence.begin + i) + column);
        }
      }
    }
  }

  void Attend(const DecodeAttention& args) override {
    for (size_t r = 0; r < args.queries.size(); ++r) {
      const DecodeQuery& query = args.queries[r];
      for (int32_t h = 0; h < args.heads; ++h) {
        const int64_t column = int64_t{h} * args.head_dim;
        AttendOne(args.q.row(r) + column, query.keys + column, query.values + column, query.row_stride, query.length,
                  query.position, query.bias, h, args.head_dim, args.out.row(r) + column);
      }
    }
  }
};

}  // namespace

std::unique_ptr<Backend> NewReferenceBackend() { return std::make_unique<ReferenceBackend>(); }

}  // namespace trimtab
