#include "server/memory_plan.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace trimtab {
namespace {

// Calls in the server: enough to refuse some while others are answered, and more than anybody needs.
constexpr int64_t kLeastCalls = 16, kMostCalls = 16384;
// Left alone: what allocators waste, and what nobody counts, such as connections.
constexpr int64_t kLeastMargin = int64_t{8} << 20;
constexpr int64_t kMarginOf = 8;

// How many of `bytes` each come to `wanted` at most, out of 1 / `part` of what is left.
int64_t Take(int64_t wanted, int64_t bytes, int64_t part, int64_t* left) {
  if (wanted <= 0 || bytes <= 0) return std::max<int64_t>(0, wanted);
  const int64_t taken = std::min(wanted, *left / part / bytes);
  *left -= taken * bytes;
  return taken;
}

}  // namespace

absl::StatusOr<MemoryPlan> PlanMemory(int64_t room, const MemoryNeeds& needs) {
  const int64_t margin = std::max(kLeastMargin, room / kMarginOf);
  const int64_t least = needs.fixed + needs.row + needs.article + needs.mixture + kReadBytes + kLeastCalls * kCallBytes;
  int64_t left = room - margin - least;
  if (left < 0) {
    return absl::FailedPreconditionError(absl::StrCat("leaves ", std::max<int64_t>(0, room), " bytes for serving, and ",
                                                      least + margin,
                                                      " are the least to answer one request at a time"));
  }
  const int64_t calls = kLeastCalls + Take(kMostCalls - kLeastCalls, kCallBytes, 8, &left);
  MemoryPlan plan;
  plan.requests = calls * kCallBytes;
  plan.readers = static_cast<int32_t>(1 + Take(needs.readers - 1, kReadBytes, 4, &left));
  plan.rows = static_cast<int32_t>(1 + Take(needs.rows - 1, needs.row, 4, &left));
  plan.versions = Take(1, needs.packed + needs.staged, 2, &left) > 0;
  const int64_t articles = 1 + Take(plan.rows - 1, needs.article, 2, &left);
  plan.mixtures = 1 + Take(needs.mixtures - 1, needs.mixture, 1, &left);
  plan.buffers = needs.fixed + plan.rows * needs.row + articles * needs.article + plan.mixtures * needs.mixture +
                 (plan.versions ? needs.packed : 0);
  return plan;
}

}  // namespace trimtab
