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

// Zeroed host memory, 64-byte aligned. Large blocks ask for huge pages: weights are streamed, and
// small pages would cost a fifth of the bandwidth. ResourceExhausted when there is none.
inline absl::StatusOr<Buffer> AllocateHost(int64_t elements) {
  constexpr size_t kHugePage = size_t{2} << 20;
  const size_t wanted = static_cast<size_t>(elements) * sizeof(float) + 1;
  const size_t alignment = wanted >= 2 * kHugePage ? kHugePage : 64;
  const size_t bytes = (wanted + alignment - 1) / alignment * alignment;
  void* data = std::aligned_alloc(alignment, bytes);
  if (data == nullptr) {
    return absl::ResourceExhaustedError(absl::StrCat("out of memory: ", bytes, " bytes could not be allocated"));
  }
  if (alignment == kHugePage) madvise(data, bytes, MADV_HUGEPAGE);  // A wish; fine if refused.
  std::memset(data, 0, bytes);
  return Buffer(static_cast<float*>(data), elements, [](float* p) { std::free(p); });
}

}  // namespace trimtab

#endif  // TRIMTAB_KERNELS_HOST_MEMORY_H_
