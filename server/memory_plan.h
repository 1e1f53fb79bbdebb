#ifndef TRIMTAB_SERVER_MEMORY_PLAN_H_
#define TRIMTAB_SERVER_MEMORY_PLAN_H_

#include <cstdint>

#include "absl/status/statusor.h"

namespace trimtab {

// A call takes so much from its arrival to its end: gRPC's state of it, what it may send unread, its tokens, its reply.
inline constexpr int64_t kCallBytes = int64_t{48} << 10;
// A point of an exploration takes so much beside.
inline constexpr int64_t kPointBytes = int64_t{8} << 10;
// A request takes so much while it is read: as it came, parsed, and as the tokenizer sees it.
inline constexpr int64_t kReadBytes = int64_t{4} << 20;

// What a server's parts ask for, in bytes where nothing else is said.
struct MemoryNeeds {
  int64_t fixed = 0;     // Of the engine, whatever comes.
  int64_t row = 0;       // Of the engine, for each row of the batch;
  int32_t rows = 1;      // so many are asked for.
  int64_t article = 0;   // The longest one, as a decoder reads it.
  int64_t mixture = 0;   // One;
  int64_t mixtures = 1;  // so many are asked for.
  int32_t readers = 1;   // Requests to be read at a time.
  int64_t packed = 0;    // One more version: as the engine reads it,
  int64_t staged = 0;    // and as it was received.
};

// What they get.
struct MemoryPlan {
  int32_t rows = 1;
  int64_t mixtures = 1;
  int32_t readers = 1;
  bool versions = false;  // Whether new versions can be taken.
  int64_t requests = 0;   // Of calls in the server (kCallBytes, kPointBytes).
  int64_t buffers = 0;    // Of the engine, articles, mixtures and a new version as the engine reads it.
};

// Shares `room`, what the process may still take. Everything gets what it cannot work without, then what it asks for as
// far as there is room: calls, readers and rows first, but never most of what is left; then a new version, wholly or
// not at all; then articles, and the cache what remains. FailedPrecondition where there is not enough to answer one
// request at a time. Pure.
absl::StatusOr<MemoryPlan> PlanMemory(int64_t room, const MemoryNeeds& needs);

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_MEMORY_PLAN_H_
