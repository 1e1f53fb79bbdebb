#include "model/lanes.h"

#include <array>
#include <functional>

#include "absl/time/clock.h"
#include "kernels/row_stride.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

Rows Slice(Rows rows, int64_t begin, int64_t count) { return {rows.row(begin), count, rows.stride}; }

// Whether two lanes run in one product over this matrix of theirs.
bool Together(const LaneBatch& batch, const T5Weights& a, const WeightMatrix& x, const T5Weights& b,
              const WeightMatrix& y) {
  if (x.mixed.data != nullptr || y.mixed.data != nullptr) return x.mixed == y.mixed;
  return x.basis == y.basis && (batch.coefficients.data != nullptr || a.coefficients == b.coefficients);
}

template <size_t kCount>
using Matrices = std::array<std::reference_wrapper<const WeightMatrix>, kCount>;

// Calls run(weights, matrices, begin, count) for each maximal run of lanes that `matrices_of` gives shared matrices.
template <typename MatricesOf, typename Run>
void ForEachRun(const LaneBatch& batch, MatricesOf matrices_of, Run run) {
  for (size_t i = 0; i < batch.lanes.size();) {
    const T5Weights& first = *batch.lanes[i].weights;
    const auto matrices = matrices_of(first);
    const auto joins = [&](const T5Weights& other) {
      if (&other == &first) return true;
      const auto others = matrices_of(other);
      for (size_t n = 0; n < matrices.size(); ++n) {
        if (!Together(batch, first, matrices[n], other, others[n])) return false;
      }
      return true;
    };
    int64_t count = 0;
    size_t j = i;
    for (; j < batch.lanes.size() && joins(*batch.lanes[j].weights); ++j) count += batch.lanes[j].count;
    run(first, matrices, batch.lanes[i].begin, count);
    i = j;
  }
}

}  // namespace

absl::StatusOr<Activations> Activations::Create(const T5Config& config, int64_t max_rows, Backend* backend) {
  Activations a;
  a.max_rows_ = max_rows;
  a.d_model_ = config.d_model;
  a.inner_ = config.inner();
  a.d_ff_ = config.d_ff;
  ASSIGN_OR_RETURN(a.buffer_, backend->Allocate(Elements(config, max_rows)));
  return a;
}

int64_t Activations::Elements(const T5Config& config, int64_t max_rows) {
  const int64_t wide = RowStride(config.d_model) + RowStride(config.inner()) + RowStride(config.d_ff);
  return max_rows * (config.d_model + 3 * config.inner() + wide);
}

Activations::View Activations::Take(int64_t rows) {
  float* next = buffer_.data();
  auto take = [&](int64_t stride) {
    Rows view{next, rows, stride};
    next += max_rows_ * stride;
    return view;
  };
  View view;
  view.hidden = take(d_model_);
  view.normed = take(RowStride(d_model_));
  view.q = take(inner_);
  view.k = take(inner_);
  view.v = take(inner_);
  view.attended = take(RowStride(inner_));
  view.inner = take(RowStride(d_ff_));
  return view;
}

absl::Status LaneMath::Reserve(const Parameters& parameters) {
  const int64_t elements = parameters.scratch_bytes() / 4;
  if (elements <= scratch_.elements()) return absl::OkStatus();
  ASSIGN_OR_RETURN(scratch_, backend_->Allocate(elements));
  return absl::OkStatus();
}

Operand LaneMath::OperandOf(const LaneBatch& batch, const T5Weights& weights, const WeightMatrix& matrix,
                            std::byte** spot) {
  if (matrix.basis == nullptr) return matrix.mixed;
  if (matrix.mixed.data == nullptr && batch.coefficients.data != nullptr) return Operand(matrix.basis->factors);
  if (matrix.mixed.data != nullptr && (matrix.state == nullptr || *matrix.state == MixState::kMixed)) {
    return matrix.mixed;
  }
  PackedMatrix mixed = matrix.mixed;
  std::byte* place = matrix.place;
  const bool keep = matrix.state != nullptr && *matrix.state == MixState::kUsedOnce;
  if (!keep) {
    mixed.data = place = *spot;
    *spot += (backend_->PackedBytes(mixed.out, mixed.in, mixed.precision) + 63) / 64 * 64;
  }
  MixNow(weights, matrix, place);
  if (matrix.state != nullptr) *matrix.state = keep ? MixState::kMixed : MixState::kUsedOnce;
  return mixed;
}

void LaneMath::MixNow(const T5Weights& weights, const WeightMatrix& matrix, std::byte* place) {
  const absl::Time start = absl::Now();
  backend_->MixMatrixNow(matrix.basis->sets, weights.coefficients, matrix.mixed.precision, place);
  *weights.mix_time += absl::Now() - start;
}

void LaneMath::Settle(const T5Weights& weights, std::initializer_list<const WeightMatrix*> matrices) {
  for (const WeightMatrix* matrix : matrices) {
    if (matrix->state == nullptr || *matrix->state == MixState::kMixed) continue;
    MixNow(weights, *matrix, matrix->place);
    *matrix->state = MixState::kMixed;
  }
}

void LaneMath::MatMul(const LaneBatch& batch, Rows x, MatrixOf matrix, Rows y, Accumulate mode) {
  ForEachRun(
      batch, [&](const T5Weights& w) { return Matrices<1>{matrix(w)}; },
      [&](const T5Weights& w, const Matrices<1>& m, int64_t begin, int64_t count) {
        std::byte* spot = scratch_.raw();
        const Product product{OperandOf(batch, w, m[0], &spot), Slice(y, begin, count), mode};
        backend_->MatMul(Slice(x, begin, count), {&product, 1}, Slice(batch.coefficients, begin, count));
      });
}

void LaneMath::QueryKeyValue(const LaneBatch& batch, const Activations::View& a, AttentionOf of) {
  ForEachRun(
      batch,
      [&](const T5Weights& w) {
        return Matrices<3>{of(w).q, of(w).k, of(w).v};
      },
      [&](const T5Weights& w, const Matrices<3>& m, int64_t begin, int64_t count) {
        std::byte* spot = scratch_.raw();
        const Product products[] = {{OperandOf(batch, w, m[0], &spot), Slice(a.q, begin, count)},
                                    {OperandOf(batch, w, m[1], &spot), Slice(a.k, begin, count)},
                                    {OperandOf(batch, w, m[2], &spot), Slice(a.v, begin, count)}};
        backend_->MatMul(Slice(a.normed, begin, count), products, Slice(batch.coefficients, begin, count));
      });
}

void LaneMath::KeyValue(const LaneBatch& batch, const Activations::View& a, AttentionOf of) {
  ForEachRun(
      batch,
      [&](const T5Weights& w) {
        return Matrices<2>{of(w).k, of(w).v};
      },
      [&](const T5Weights& w, const Matrices<2>& m, int64_t begin, int64_t count) {
        std::byte* spot = scratch_.raw();
        const Product products[] = {{OperandOf(batch, w, m[0], &spot), Slice(a.k, begin, count)},
                                    {OperandOf(batch, w, m[1], &spot), Slice(a.v, begin, count)}};
        backend_->MatMul(Slice(a.normed, begin, count), products, Slice(batch.coefficients, begin, count));
      });
}

void LaneMath::Norm(const LaneBatch& batch, Rows x, GainOf gain, Rows y) {
  for (size_t i = 0; i < batch.lanes.size();) {
    const Lane& first = batch.lanes[i];
    const float* const values = gain(*first.weights);
    int64_t count = 0;
    for (; i < batch.lanes.size() && gain(*batch.lanes[i].weights) == values; ++i) count += batch.lanes[i].count;
    backend_->RmsNorm(Slice(x, first.begin, count), config_.d_model, values, config_.norm_epsilon,
                      Slice(y, first.begin, count));
  }
}

void LaneMath::FeedForward(const LaneBatch& batch, const Activations::View& a, FeedForwardOf of) {
  Norm(
      batch, a.hidden, [&](const T5Weights& w) { return of(w).norm; }, a.normed);
  ForEachRun(
      batch,
      [&](const T5Weights& w) {
        return Matrices<2>{of(w).wi, of(w).up};
      },
      [&](const T5Weights& w, const Matrices<2>& m, int64_t begin, int64_t count) {
        std::byte* spot = scratch_.raw();
        const Operand gate = OperandOf(batch, w, m[0], &spot), up = OperandOf(batch, w, m[1], &spot);
        backend_->ActivatedMatMul(Slice(a.normed, begin, count), gate, up, config_.activation,
                                  Slice(a.inner, begin, count), Slice(batch.coefficients, begin, count));
      });
  MatMul(
      batch, a.inner, [&](const T5Weights& w) -> const WeightMatrix& { return of(w).wo; }, a.hidden, Accumulate::kAdd);
}

void LaneMath::Embed(const LaneBatch& batch, std::span<const int32_t> ids, Rows out) {
  for (size_t i = 0; i < batch.lanes.size();) {
    const EmbeddingWeights& embedding = batch.lanes[i].weights->embedding;
    const int64_t begin = batch.lanes[i].begin;
    int64_t count = 0;
    for (; i < batch.lanes.size() && batch.lanes[i].weights->embedding == embedding; ++i) count += batch.lanes[i].count;
    backend_->Embed(embedding.sets, embedding.coefficients, config_.d_model, ids.subspan(begin, count),
                    Slice(out, begin, count));
  }
}

}  // namespace trimtab
