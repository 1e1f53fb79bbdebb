#include "kernels/backend.h"

#include "absl/strings/str_cat.h"

namespace trimtab {

absl::StatusOr<std::unique_ptr<Backend>> NewBackend(absl::string_view name, int threads) {
  if (threads < 1) return absl::InvalidArgumentError(absl::StrCat("threads is ", threads, "; expected at least 1"));
  if (name == "reference") return NewReferenceBackend();
  if (name == "cpu") return NewCpuBackend(threads);
  return absl::InvalidArgumentError(absl::StrCat("device is \"", name, "\"; expected \"cpu\" or \"reference\""));
}

}  // namespace trimtab
