#ifndef TRIMTAB_MODEL_DEEP_BOUND_MODULE_H_
#define TRIMTAB_MODEL_DEEP_BOUND_MODULE_H_

#include "absl/status/statusor.h"

namespace trimtab {

// What `symbol` names in a module of ours, `file`, found by the program's RUNPATH and opened for ever. The module and
// the libraries it brings see their own symbols before the program's (sentencepiece_module.h says what for).
// FailedPrecondition when it is missing or of another build. Thread-safe.
absl::StatusOr<void*> OpenDeepBound(const char* file, const char* symbol);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_DEEP_BOUND_MODULE_H_
