// The formulas, one scalar at a time: the oracle every other backend is tested against.
#include <algorithm>
#include <cmath>
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

class ReferenceBackend final : public Backend {
 public:
  absl::string_view name() const override { return "reference"; }
  absl::StatusOr<Buffer> Allocate(int64_t elements) override { return AllocateHost(elements); }
  int64_t PackedElements(int64_t out, int64_t in) const override { return out * in; }
  void Pack(const float* w, int64_t out, int64_t in, float* packed) const override {
    std::copy(w, w + out * in, packed);
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

  void MatMul(Rows x, const PackedMatrix& w, Rows y, Accumulate mode) override {
    for (int64_t r = 0; r < x.count; ++r) {
      for (int64_t n = 0; n < w.out; ++n) {
        float sum = 0.0f;
        for (int64_t k = 0; k < w.in; ++k) sum += x.row(r)[k] * w.data[n * w.in + k];
        y.row(r)[n] = mode == Accumulate::kAdd ? y.row(r)[n] + sum : sum;
      }
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

  void Activate(Activation activation, Rows gate, Rows up, int64_t dim, Rows out) override {
    for (int64_t r = 0; r < gate.count; ++r) {
      for (int64_t i = 0; i < dim; ++i) {
        const float activated = Activated(activation, gate.row(r)[i]);
        out.row(r)[i] = up.data == nullptr ? activated : activated * up.row(r)[i];
      }
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
