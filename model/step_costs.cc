#include "model/step_costs.h"

#include <algorithm>
#include <limits>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

constexpr int32_t kRows[] = {1, 2, 4, 8, 16, 32};
// Of all, in turns; the fastest of each counts. No further turn begins after so long.
constexpr int kRuns = 4;
constexpr absl::Duration kEnough = absl::Milliseconds(500);

// What a decode step reads and a weighting decides. Cross-attention keys and values belong to the encoder's pass.
std::vector<const ParameterTensor*> StepMatrices(const Parameters& parameters) {
  std::vector<const ParameterTensor*> matrices;
  for (const ParameterTensor& tensor : parameters.tensors()) {
    const std::string& name = tensor.spec.name;
    const bool cross = absl::StrContains(name, "EncDecAttention.k.") || absl::StrContains(name, "EncDecAttention.v.");
    if (!tensor.conditioned || !tensor.is_matrix() || absl::StartsWith(name, "encoder.") || cross) continue;
    matrices.push_back(&tensor);
  }
  return matrices;
}

template <typename Work>
void KeepLeast(Backend* backend, Work work, double* seconds) {
  const absl::Time start = absl::Now();
  work();
  backend->Wait();
  *seconds = std::min(*seconds, absl::ToDoubleSeconds(absl::Now() - start));
}

double Interpolate(const std::vector<StepCosts::Point>& points, int32_t rows, double StepCosts::Point::*cost) {
  if (rows <= 0) return 0.0;
  if (rows <= points[0].rows || points.size() == 1) return points[0].*cost;
  size_t i = 1;
  while (i + 1 < points.size() && points[i].rows < rows) ++i;
  const StepCosts::Point &a = points[i - 1], &b = points[i];
  return a.*cost + (b.*cost - a.*cost) * (rows - a.rows) / (b.rows - a.rows);
}

}  // namespace

double StepCosts::Dense(int32_t rows) const { return Interpolate(points, rows, &Point::dense); }
double StepCosts::Basis(int32_t rows) const { return Interpolate(points, rows, &Point::basis); }

int32_t StepCosts::RowsWithin(double factor) const {
  if (points.empty()) return 0;
  int32_t rows = 1;
  while (rows < points.back().rows && Dense(rows + 1) <= factor * Dense(1)) ++rows;
  return rows;
}

absl::StatusOr<StepCosts> MeasureStepCosts(const Parameters& parameters, Backend* backend) {
  StepCosts costs;
  const std::vector<const ParameterTensor*> matrices = StepMatrices(parameters);
  if (matrices.empty()) return costs;
  int64_t in = 0, out = 0;
  for (const ParameterTensor* tensor : matrices) {
    out = std::max(out, tensor->spec.shape[0]);
    in = std::max(in, tensor->spec.shape[1]);
  }
  constexpr int32_t kMostRows = kRows[std::size(kRows) - 1];
  ASSIGN_OR_RETURN(Buffer x, backend->Allocate(kMostRows * in));
  ASSIGN_OR_RETURN(Buffer y, backend->Allocate(kMostRows * out));
  ASSIGN_OR_RETURN(Buffer c, backend->Allocate(int64_t{kMostRows} * kMaxSets));
  ASSIGN_OR_RETURN(Buffer scratch, backend->Allocate(parameters.scratch_bytes() / 4));
  const std::vector<float> ones(std::max<int64_t>(kMostRows * in, int64_t{kMostRows} * kMaxSets), 1.0f);
  backend->Copy(ones.data(), kMostRows * in, x.data());
  backend->Copy(ones.data(), int64_t{kMostRows} * kMaxSets, c.data());

  const auto multiply = [&](int32_t rows, auto operand_of) {
    for (const ParameterTensor* tensor : matrices) {
      const Product product{operand_of(*tensor), {y.data(), rows, tensor->spec.shape[0]}};
      backend->MatMul({x.data(), rows, tensor->spec.shape[1]}, {&product, 1}, {c.data(), rows, kMaxSets});
    }
  };
  constexpr double kNever = std::numeric_limits<double>::infinity();
  for (const int32_t rows : kRows) costs.points.push_back({rows, kNever, kNever});
  costs.mix = kNever;
  const absl::Time start = absl::Now();
  for (int run = 0; run < kRuns && (run == 0 || absl::Now() - start < kEnough); ++run) {
    for (StepCosts::Point& point : costs.points) {
      KeepLeast(
          backend, [&] { multiply(point.rows, [](const ParameterTensor& t) { return Operand(t.basis.factors[0]); }); },
          &point.dense);
      KeepLeast(
          backend,
          [&] { multiply(point.rows, [](const ParameterTensor& t) { return Operand(std::span(t.basis.factors)); }); },
          &point.basis);
    }
    KeepLeast(
        backend,
        [&] {
          for (const ParameterTensor* tensor : matrices) {
            backend->MixMatrixNow(tensor->basis.sets, std::span(ones).first(tensor->basis.sets.size()),
                                  parameters.precision(), scratch.raw());
          }
        },
        &costs.mix);
  }
  return costs;
}

}  // namespace trimtab
