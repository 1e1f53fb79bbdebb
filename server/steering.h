#ifndef TRIMTAB_SERVER_STEERING_H_
#define TRIMTAB_SERVER_STEERING_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/steering.h"

namespace trimtab {

// How far the operator lets callers steer.
struct SteeringBounds {
  double alpha_floor = 0.0;  // Smallest alpha accepted; 0: the checkpoint's own alpha_min.
  struct Range {
    double low = 0.0;
    double high = 1.0;
  };
  std::map<std::string, Range> rewards;  // By reward name; absent: [0, 1].
};

// FailedPrecondition when a bound names a reward the checkpoint lacks, is empty (low > high), or when the checkpoint's
// defaults and presets all lie outside.
absl::Status CheckBounds(const SteeringBounds& bounds, const ClpConfig& clp);

// As ResolveSteering of model/steering.h; InvalidArgument also for a value outside `bounds` (the message names the
// bound). Pure.
absl::StatusOr<Steering> ResolveSteering(const ClpConfig& clp, const SteeringBounds& bounds,
                                         const CoefficientGrid& grid, const SteeringAsked& asked);

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_STEERING_H_
