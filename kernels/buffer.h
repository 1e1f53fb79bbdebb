#ifndef TRIMTAB_KERNELS_BUFFER_H_
#define TRIMTAB_KERNELS_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

namespace trimtab {

// Owns floats in one backend's memory. Move-only; frees on destruction, from any thread.
class Buffer {
 public:
  using Free = std::function<void(float* data, int64_t elements)>;

  Buffer() = default;
  Buffer(float* data, int64_t elements, Free free) : data_(data), elements_(elements), free_(std::move(free)) {}
  Buffer(Buffer&& other) noexcept { *this = std::move(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(elements_, other.elements_);
    std::swap(free_, other.free_);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() {
    if (data_ != nullptr) free_(data_, elements_);
  }

  float* data() { return data_; }
  const float* data() const { return data_; }
  std::byte* raw() { return reinterpret_cast<std::byte*>(data_); }
  int64_t elements() const { return elements_; }
  int64_t bytes() const { return elements_ * static_cast<int64_t>(sizeof(float)); }

 private:
  float* data_ = nullptr;
  int64_t elements_ = 0;
  Free free_;
};

}  // namespace trimtab

#endif  // TRIMTAB_KERNELS_BUFFER_H_
