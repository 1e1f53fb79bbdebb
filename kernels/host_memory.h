#ifndef TRIMTAB_KERNELS_HOST_MEMORY_H_
#define TRIMTAB_KERNELS_HOST_MEMORY_H_

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "kernels/buffer.h"

namespace trimtab {

// Zeroed host memory, 64-byte aligned. ResourceExhausted when there is none.
inline absl::StatusOr<Buffer> AllocateHost(int64_t elements) {
  constexpr size_t kAlignment = 64;
  const size_t bytes = (static_cast<size_t>(elements) * sizeof(float) + kAlignment) / kAlignment * kAlignment;
  void* data = std::aligned_alloc(kAlignment, bytes);
  if (data == nullptr) {
    return absl::ResourceExhaustedError(absl::StrCat("out of memory: ", bytes, " bytes could not be allocated"));
  }
  std::memset(data, 0, bytes);
  return Buffer(static_cast<float*>(data), elements, [](float* p) { std::free(p); });
}

}  // namespace trimtab

#endif  // TRIMTAB_KERNELS_HOST_MEMORY_H_
