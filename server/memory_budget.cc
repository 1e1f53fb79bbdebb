#include "server/memory_budget.h"

#include "absl/strings/str_cat.h"

namespace trimtab {

MemoryBudget::MemoryBudget(int64_t bytes, Metrics* metrics) : limit_(bytes), metrics_(metrics) {
  metrics_->request_memory_limit.Set(static_cast<double>(bytes));
}

absl::StatusOr<MemoryBudget::Share> MemoryBudget::Take(int64_t bytes) {
  MutexLock lock(mutex_);
  if (bytes > limit_ - used_) {
    metrics_->rejected_memory.Increment();
    return absl::ResourceExhaustedError(absl::StrCat(
        "requests take ", used_, " bytes of memory, and this one more than is left of ", limit_, ": try again later"));
  }
  used_ += bytes;
  metrics_->request_memory.Set(static_cast<double>(used_));
  return Share(this, bytes);
}

void MemoryBudget::Return(int64_t bytes) {
  MutexLock lock(mutex_);
  used_ -= bytes;
  metrics_->request_memory.Set(static_cast<double>(used_));
}

}  // namespace trimtab
