#ifndef TRIMTAB_SERVER_STEERING_H_
#define TRIMTAB_SERVER_STEERING_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/clp_config.h"
#include "model/weighting.h"

namespace trimtab {

// What a caller may say about steering; everything may be left out.
struct SteeringAsked {
  std::optional<double> alpha;                  // Omitted: the checkpoint's default_alpha.
  std::vector<double> weights;                  // By position; empty: see below.
  std::map<std::string, double> named_weights;  // By reward name; absent rewards get 0.
  std::string preset;                           // Instead of all of the above.
};

// How far the operator lets callers steer.
struct SteeringBounds {
  double alpha_floor = 0.0;  // Smallest alpha accepted; 0: the checkpoint's own alpha_min.
  struct Range {
    double low = 0.0;
    double high = 1.0;
  };
  std::map<std::string, Range> rewards;  // By reward name; absent: [0, 1].
};

struct Steering {
  Weighting weighting;        // As asked, after defaults and normalisation.
  Coefficients coefficients;  // After snapping: what the weights depend on.
};

// FailedPrecondition when a bound names a reward the checkpoint lacks, is empty (low > high), or when the checkpoint's
// defaults and presets all lie outside.
absl::Status CheckBounds(const SteeringBounds& bounds, const ClpConfig& clp);

// Pure. InvalidArgument naming the request field ("alpha", "weights[1]", "named_weights[x]", "preset") for an invalid
// weighting, an unknown name, or a value outside `bounds` (the message names the bound). With neither weights nor
// named_weights nor preset, w is uniform.
absl::StatusOr<Steering> ResolveSteering(const ClpConfig& clp, const SteeringBounds& bounds,
                                         const CoefficientGrid& grid, const SteeringAsked& asked);

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_STEERING_H_
