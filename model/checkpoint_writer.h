#ifndef TRIMTAB_MODEL_CHECKPOINT_WRITER_H_
#define TRIMTAB_MODEL_CHECKPOINT_WRITER_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "model/checkpoint.h"

namespace trimtab {

// Writes a CLP directory: shared and conditioned tensors of `checkpoint` and its clp.json, which is written last, so
// that a folder that has one is complete; the texts beside the tensors (config.json, spiece.model ...) come from the
// folder `origin`, byte for byte. `out` is made; InvalidArgument when it cannot be. reference.safetensors, if there is
// to be one, is in `out` already.
absl::Status WriteClpFolder(const Checkpoint& checkpoint, const std::string& origin, const std::string& out);

// The policy before any training (paper Algorithm 1, line 1): every set of `clp`'s conditioned tensors is a copy of
// those of the plain T5 `folder`. All of theta_ref goes to reference.safetensors, so that training knows it.
absl::Status WriteFirstClp(const std::string& folder, ClpConfig clp, const std::string& out);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_CHECKPOINT_WRITER_H_
