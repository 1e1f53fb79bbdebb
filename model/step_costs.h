// What the conditioned products of a decode step cost on this machine: measured, for whoever chooses between mixing and
// the basis.
#ifndef TRIMTAB_MODEL_STEP_COSTS_H_
#define TRIMTAB_MODEL_STEP_COSTS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/backend.h"
#include "model/parameters.h"

namespace trimtab {

struct StepCosts {
  struct Point {
    int32_t rows = 0;
    double dense = 0.0;  // Seconds for these rows of one mixture.
    double basis = 0.0;  // Seconds for these rows over the basis, all sets in use.
  };
  std::vector<Point> points;  // Rows ascend; empty: nothing is known.
  double mix = 0.0;           // Seconds to mix what a decode step reads.

  // Linear between the points and on beyond the last. 0 for 0 rows. REQUIRES: !points.empty().
  double Dense(int32_t rows) const;
  double Basis(int32_t rows) const;

  // The most rows of one mixture, up to those measured, that take at most `factor` times as long as one does; 0 where
  // nothing is known. REQUIRES: factor >= 1.
  int32_t RowsWithin(double factor) const;
};

// Runs the conditioned products of one decode step for 1 to 32 rows. Takes the memory of some activations and the time
// of a few dozen decode steps. Empty where no matrix of the decoder is conditioned. ResourceExhausted when memory is
// short.
absl::StatusOr<StepCosts> MeasureStepCosts(const Parameters& parameters, Backend* backend);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_STEP_COSTS_H_
