#ifndef TRIMTAB_SERVER_PARAMETER_STORE_H_
#define TRIMTAB_SERVER_PARAMETER_STORE_H_

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "model/parameters.h"
#include "server/mutex.h"

namespace trimtab {

// Holds the newest parameters. A request keeps the version it took, so a later one never changes an answer that is
// being written. Thread-safe.
class ParameterStore {
 public:
  explicit ParameterStore(std::shared_ptr<const Parameters> initial) : current_(std::move(initial)) {}

  std::shared_ptr<const Parameters> Current() const {
    MutexLock lock(mutex_);
    return current_;
  }

  // The version a request pins by digest. FailedPrecondition when it is not held.
  absl::StatusOr<std::shared_ptr<const Parameters>> Find(absl::string_view digest) const;

 private:
  mutable Mutex mutex_;
  std::shared_ptr<const Parameters> current_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_PARAMETER_STORE_H_
