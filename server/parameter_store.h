#ifndef TRIMTAB_SERVER_PARAMETER_STORE_H_
#define TRIMTAB_SERVER_PARAMETER_STORE_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "model/parameters.h"
#include "server/mutex.h"

namespace trimtab {

// Holds the parameters that new requests get. A request keeps the version it took, so a later one never changes an
// answer that is being written; a version that is served no more lives until its last request is done. Thread-safe.
class ParameterStore {
 public:
  explicit ParameterStore(std::shared_ptr<const Parameters> initial) : current_(std::move(initial)) {}

  std::shared_ptr<const Parameters> Current() const {
    MutexLock lock(mutex_);
    return current_;
  }

  // The version a request pins by digest. FailedPrecondition when it is not the one served.
  absl::StatusOr<std::shared_ptr<const Parameters>> Find(absl::string_view digest) const;
  // The served version, if it is (epoch, sequence) or a later one. FailedPrecondition when it has not arrived here.
  absl::StatusOr<std::shared_ptr<const Parameters>> AtLeast(uint64_t epoch, uint64_t sequence) const;

  // Serves `next` from now on.
  void Publish(std::shared_ptr<const Parameters> next);
  // Versions that are served no more, but still held by somebody.
  int retired() const;
  // How long the version has been served.
  std::chrono::steady_clock::duration age() const;

 private:
  mutable Mutex mutex_;
  std::shared_ptr<const Parameters> current_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<const Parameters>> retired_ ABSL_GUARDED_BY(mutex_);  // Some of them gone.
  std::chrono::steady_clock::time_point since_ ABSL_GUARDED_BY(mutex_) = std::chrono::steady_clock::now();
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_PARAMETER_STORE_H_
