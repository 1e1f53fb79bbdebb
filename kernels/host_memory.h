#ifndef TRIMTAB_KERNELS_HOST_MEMORY_H_
#define TRIMTAB_KERNELS_HOST_MEMORY_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "kernels/buffer.h"

namespace trimtab {

// Host memory, 64-byte aligned, values unspecified. Large blocks lie on huge pages, for weights are streamed and small
// pages would cost a fifth of the bandwidth. They are used again when they come back: a page that is new to the process
// must be cleared first, which costs more than what is then written to it. What is kept for that, together with what is
// in use, never takes more than was in use at some time before. ResourceExhausted when there is none. Thread-safe.
absl::StatusOr<Buffer> AllocateHost(int64_t elements);

// Has a large block of so many elements kept, its pages cleared, for the next that asks: so that nobody waits for the
// system then. Does nothing where memory is short. Thread-safe.
void PrepareHost(int64_t elements);

// What AllocateHost takes for so many elements.
int64_t HostBlockBytes(int64_t elements);

// From now on AllocateHost finds no memory where more than so many bytes would be in use or kept, small blocks
// included. Of the process; at first there is no limit. Thread-safe.
void SetHostMemoryLimit(int64_t bytes);

// Bytes.
struct HostMemoryUse {
  int64_t in_use = 0;  // Large blocks,
  int64_t kept = 0;
  int64_t peak = 0;   // of in_use;
  int64_t small = 0;  // and small ones in use.
};
HostMemoryUse GetHostMemoryUse();

}  // namespace trimtab

#endif  // TRIMTAB_KERNELS_HOST_MEMORY_H_
