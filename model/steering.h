// From what a caller says about steering to the weighting and coefficients it stands for.
#ifndef TRIMTAB_MODEL_STEERING_H_
#define TRIMTAB_MODEL_STEERING_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

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

struct Steering {
  Weighting weighting;        // As asked, after defaults and normalisation.
  Coefficients coefficients;  // After snapping: what the weights depend on.
};

// Pure. InvalidArgument naming the request field ("alpha", "weights[1]", "named_weights[x]", "preset") for an invalid
// weighting or an unknown name. With neither weights nor named_weights nor preset, w is uniform.
absl::StatusOr<Steering> ResolveSteering(const ClpConfig& clp, const CoefficientGrid& grid, const SteeringAsked& asked);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_STEERING_H_
