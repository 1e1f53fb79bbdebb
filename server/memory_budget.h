#ifndef TRIMTAB_SERVER_MEMORY_BUDGET_H_
#define TRIMTAB_SERVER_MEMORY_BUDGET_H_

#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "server/metrics.h"
#include "server/mutex.h"

namespace trimtab {

// Bytes that calls in the server may take together. Allocates nothing: it admits while what was promised fits.
// Thread-safe.
class MemoryBudget {
 public:
  // Gives its bytes back at its end. Must not outlive the budget.
  class Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept { *this = std::move(other); }
    Share& operator=(Share&& other) noexcept {
      std::swap(budget_, other.budget_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Share() {
      if (budget_ != nullptr) budget_->Return(bytes_);
    }

   private:
    friend class MemoryBudget;
    Share(MemoryBudget* budget, int64_t bytes) : budget_(budget), bytes_(bytes) {}
    MemoryBudget* budget_ = nullptr;
    int64_t bytes_ = 0;
  };

  // `metrics` must outlive the budget.
  MemoryBudget(int64_t bytes, Metrics* metrics);

  // ResourceExhausted where that is more than what is left.
  absl::StatusOr<Share> Take(int64_t bytes);

 private:
  void Return(int64_t bytes);

  const int64_t limit_;
  Metrics* const metrics_;
  Mutex mutex_;
  int64_t used_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_MEMORY_BUDGET_H_
