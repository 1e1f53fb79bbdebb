#include "server/parameter_store.h"

#include <algorithm>

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

absl::StatusOr<std::shared_ptr<const Parameters>> ParameterStore::AtLeast(uint64_t epoch, uint64_t sequence) const {
  std::shared_ptr<const Parameters> current = Current();
  const ParameterVersion& version = current->version();
  if (std::pair(version.epoch, version.sequence) >= std::pair(epoch, sequence)) return current;
  return absl::FailedPreconditionError(absl::StrCat("parameters of epoch ", epoch, ", sequence ", sequence,
                                                    " have not arrived; this server has epoch ", version.epoch,
                                                    ", sequence ", version.sequence, ": ask another, or again later"));
}

void ParameterStore::Publish(std::shared_ptr<const Parameters> next) {
  MutexLock lock(mutex_);
  std::erase_if(retired_, [](const auto& version) { return version.expired(); });
  retired_.push_back(current_);
  current_.swap(next);  // The old one goes, if this was its last owner, after the lock.
  since_ = std::chrono::steady_clock::now();
}

int ParameterStore::retired() const {
  MutexLock lock(mutex_);
  return static_cast<int>(
      std::count_if(retired_.begin(), retired_.end(), [](const auto& version) { return !version.expired(); }));
}

std::chrono::steady_clock::duration ParameterStore::age() const {
  MutexLock lock(mutex_);
  return std::chrono::steady_clock::now() - since_;
}

}  // namespace trimtab
