#include "server/parameter_store.h"

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace trimtab {

absl::StatusOr<std::shared_ptr<const Parameters>> ParameterStore::Find(absl::string_view digest) const {
  constexpr size_t kDigestLength = 64;
  std::shared_ptr<const Parameters> current = Current();
  if (digest == current->version().digest) return current;
  return absl::FailedPreconditionError(absl::StrCat("parameters '", absl::CHexEscape(digest.substr(0, kDigestLength)),
                                                    "' are not held; this server has '", current->version().digest,
                                                    "': name that digest, or none to get the newest"));
}

}  // namespace trimtab
