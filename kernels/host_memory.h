#ifndef TRIMTAB_KERNELS_HOST_MEMORY_H_
#define TRIMTAB_KERNELS_HOST_MEMORY_H_

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "kernels/buffer.h"

namespace trimtab {

inline constexpr size_t kHugePage = size_t{2} << 20;

// Maps whole huge pages, which the system zeroes when they are first touched: what is never used costs nothing. Null
// when there are none.
inline void* MapHugePages(size_t bytes) {
  const size_t wide = bytes + kHugePage;
  void* const mapped = mmap(nullptr, wide, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  std::byte* const begin = static_cast<std::byte*>(mapped);
  const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(begin) % kHugePage) % kHugePage;
  if (before > 0) munmap(begin, before);
  munmap(begin + before + bytes, kHugePage - before);
  madvise(begin + before, bytes, MADV_HUGEPAGE);  // A wish; fine if refused.
  return begin + before;
}

// Zeroed host memory, 64-byte aligned. Large blocks ask for huge pages: weights are streamed, and small pages would
// cost a fifth of the bandwidth. ResourceExhausted when there is none.
inline absl::StatusOr<Buffer> AllocateHost(int64_t elements) {
  const auto whole = [](int64_t count, size_t unit) {
    return (static_cast<size_t>(count) * sizeof(float) + unit) / unit * unit;
  };
  const bool large = whole(elements, kHugePage) > kHugePage;
  const size_t bytes = whole(elements, large ? kHugePage : 64);
  void* const data = large ? MapHugePages(bytes) : std::aligned_alloc(64, bytes);
  if (data == nullptr) {
    return absl::ResourceExhaustedError(absl::StrCat("out of memory: ", bytes, " bytes could not be allocated"));
  }
  if (large) {
    return Buffer(static_cast<float*>(data), elements, [](float* p, int64_t count) {
      munmap(p, (static_cast<size_t>(count) * sizeof(float) + kHugePage) / kHugePage * kHugePage);
    });
  }
  std::memset(data, 0, bytes);
  return Buffer(static_cast<float*>(data), elements, [](float* p, int64_t) { std::free(p); });
}

}  // namespace trimtab

#endif  // TRIMTAB_KERNELS_HOST_MEMORY_H_
