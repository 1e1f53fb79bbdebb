#ifndef TRIMTAB_SERVER_SOUNDNESS_H_
#define TRIMTAB_SERVER_SOUNDNESS_H_

#include <memory>

#include "absl/status/status.h"
#include "kernels/backend.h"
#include "model/checkpoint.h"
#include "model/parameters.h"

namespace trimtab {

// Whether parameters that arrived intact are fit to be served. Both answer FailedPrecondition (UNSOUND_PARAMETERS) with
// what was found.

// No published tensor's root mean square is more than `max_ratio` times that of its parent, where the parent's is not
// zero. A training run that diverged shows here first. REQUIRES: both are finite.
absl::Status CheckNorms(const Checkpoint& parent, const Checkpoint& next, double max_ratio);

// The canary: fixed prompts give finite logits at every vertex of the simplex, at its centre and at the reference.
// Takes `backend` for itself; run it on a thread that may take its time.
absl::Status CheckCanary(const std::shared_ptr<const Parameters>& parameters, Backend* backend);

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_SOUNDNESS_H_
