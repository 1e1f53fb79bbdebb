#include "model/lanes.h"

#include <array>

#include "model/status_macros.h"

namespace trimtab {
namespace {

Rows Slice(Rows rows, int64_t begin, int64_t count) { return {rows.row(begin), count, rows.stride}; }

// Calls run(part, begin, count) for each maximal run of lanes with an equal part.
template <typename PartOf, typename Run>
void ForEachRun(std::span<const Lane> lanes, PartOf part_of, Run run) {
  for (size_t i = 0; i < lanes.size();) {
    const auto part = part_of(*lanes[i].weights);
    int64_t count = 0;
    size_t j = i;
    for (; j < lanes.size() && part_of(*lanes[j].weights) == part; ++j) count += lanes[j].count;
    run(part, lanes[i].begin, count);
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
  ASSIGN_OR_RETURN(a.buffer_, backend->Allocate(max_rows * (2 * a.d_model_ + 4 * a.inner_ + a.d_ff_)));
  return a;
}

Activations::View Activations::Take(int64_t rows) {
  float* next = buffer_.data();
  auto take = [&](int64_t width) {
    Rows view{next, rows, width};
    next += max_rows_ * width;
    return view;
  };
  View view;
  view.hidden = take(d_model_);
  view.normed = take(d_model_);
  view.q = take(inner_);
  view.k = take(inner_);
  view.v = take(inner_);
  view.attended = take(inner_);
  view.inner = take(d_ff_);
  return view;
}

void LaneMath::MatMul(std::span<const Lane> lanes, Rows x, MatrixOf matrix, Rows y, Accumulate mode) const {
  ForEachRun(
      lanes, [&](const T5Weights& w) { return matrix(w); },
      [&](const PackedMatrix& m, int64_t begin, int64_t count) {
        const Product product{m, Slice(y, begin, count), mode};
        backend_->MatMul(Slice(x, begin, count), {&product, 1});
      });
}

void LaneMath::QueryKeyValue(std::span<const Lane> lanes, const Activations::View& a, AttentionOf of) const {
  ForEachRun(
      lanes,
      [&](const T5Weights& w) {
        return std::array{of(w).q, of(w).k, of(w).v};
      },
      [&](const std::array<PackedMatrix, 3>& m, int64_t begin, int64_t count) {
        const Product products[] = {
            {m[0], Slice(a.q, begin, count)}, {m[1], Slice(a.k, begin, count)}, {m[2], Slice(a.v, begin, count)}};
        backend_->MatMul(Slice(a.normed, begin, count), products);
      });
}

void LaneMath::KeyValue(std::span<const Lane> lanes, const Activations::View& a, AttentionOf of) const {
  ForEachRun(
      lanes,
      [&](const T5Weights& w) {
        return std::array{of(w).k, of(w).v};
      },
      [&](const std::array<PackedMatrix, 2>& m, int64_t begin, int64_t count) {
        const Product products[] = {{m[0], Slice(a.k, begin, count)}, {m[1], Slice(a.v, begin, count)}};
        backend_->MatMul(Slice(a.normed, begin, count), products);
      });
}

void LaneMath::Norm(std::span<const Lane> lanes, Rows x, GainOf gain, Rows y) const {
  ForEachRun(
      lanes, [&](const T5Weights& w) { return gain(w); },
      [&](const float* g, int64_t begin, int64_t count) {
        backend_->RmsNorm(Slice(x, begin, count), config_.d_model, g, config_.norm_epsilon, Slice(y, begin, count));
      });
}

void LaneMath::FeedForward(std::span<const Lane> lanes, const Activations::View& a,
                           absl::FunctionRef<const FeedForwardWeights&(const T5Weights&)> of) const {
  Norm(
      lanes, a.hidden, [&](const T5Weights& w) { return of(w).norm; }, a.normed);
  ForEachRun(
      lanes,
      [&](const T5Weights& w) {
        return std::array{of(w).wi, of(w).up};
      },
      [&](const std::array<PackedMatrix, 2>& m, int64_t begin, int64_t count) {
        backend_->ActivatedMatMul(Slice(a.normed, begin, count), m[0], m[1], config_.activation,
                                  Slice(a.inner, begin, count));
      });
  MatMul(
      lanes, a.inner, [&](const T5Weights& w) -> const PackedMatrix& { return of(w).wo; }, a.hidden, Accumulate::kAdd);
}

void LaneMath::Embed(std::span<const Lane> lanes, std::span<const int32_t> ids, Rows out) const {
  for (const Lane& lane : lanes) {
    const EmbeddingWeights& embedding = lane.weights->embedding;
    backend_->Embed(embedding.sets, embedding.coefficients, config_.d_model, ids.subspan(lane.begin, lane.count),
                    Slice(out, lane.begin, lane.count));
  }
}

}  // namespace trimtab
