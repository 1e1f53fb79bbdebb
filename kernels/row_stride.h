#ifndef TRIMTAB_KERNELS_ROW_STRIDE_H_
#define TRIMTAB_KERNELS_ROW_STRIDE_H_

#include <cstdint>

namespace trimtab {

// Elements from one row to the next of activations that products read: at least `width`, and an odd number of cache
// lines. A tile walks a dozen rows side by side; a power of two between them would put all into one set of the first
// cache, which holds fewer.
inline int64_t RowStride(int64_t width) {
  constexpr int64_t kLine = 16;  // Floats.
  return ((width + kLine - 1) / kLine | 1) * kLine;
}

}  // namespace trimtab

#endif  // TRIMTAB_KERNELS_ROW_STRIDE_H_
