#ifndef TRIMTAB_MODEL_INSPECT_H_
#define TRIMTAB_MODEL_INSPECT_H_

#include <string>

#include "absl/status/statusor.h"

namespace trimtab {

// What is inside a checkpoint folder, as lines for people: the T5's shape, the variant, rewards, mixing, presets,
// version, and each file's tensors in number, type and size. Reads headers only, no weights. Errors as OpenCheckpoint.
absl::StatusOr<std::string> InspectCheckpoint(const std::string& directory);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_INSPECT_H_
