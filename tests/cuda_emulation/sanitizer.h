// AddressSanitizer's marks on memory that is not malloc's; nothing without it.
#ifndef TRIMTAB_TESTS_CUDA_EMULATION_SANITIZER_H_
#define TRIMTAB_TESTS_CUDA_EMULATION_SANITIZER_H_

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace cuda_emulation {

inline void PoisonMemory([[maybe_unused]] const void* data, [[maybe_unused]] size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(data, bytes);
#endif
}

inline void UnpoisonMemory([[maybe_unused]] const void* data, [[maybe_unused]] size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(data, bytes);
#endif
}

}  // namespace cuda_emulation

#endif  // TRIMTAB_TESTS_CUDA_EMULATION_SANITIZER_H_
