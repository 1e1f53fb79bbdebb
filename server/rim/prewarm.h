// Weightings that are mixed before the server is ready: --prewarm.
#ifndef TRIMTAB_SERVER_RIM_PREWARM_H_
#define TRIMTAB_SERVER_RIM_PREWARM_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/clp_config.h"
#include "server/rim/options.h"
#include "server/steering.h"

namespace trimtab {

// "concise" (a preset), "w=0.5,0.5", "alpha=0.3" or "alpha=0.3 w=0.5,0.5" as a caller would ask for it. InvalidArgument
// for other text.
absl::StatusOr<SteeringAsked> ParseWeighting(absl::string_view text);

// The coefficients of options.prewarm. FailedPrecondition naming the first entry that the checkpoint or the bounds on
// callers do not take.
absl::StatusOr<std::vector<Coefficients>> ResolvePrewarm(const ServerOptions& options, const ClpConfig& clp);

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_PREWARM_H_
