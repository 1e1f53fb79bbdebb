#ifndef TRIMTAB_TESTS_KERNELS_CUDA_DEVICE_ROWS_H_
#define TRIMTAB_TESTS_KERNELS_CUDA_DEVICE_ROWS_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/backend.h"

namespace trimtab {

// Rows of floats in a backend's memory.
class DeviceRows {
 public:
  DeviceRows(Backend& backend, const std::vector<float>& values, int64_t stride)
      : backend_(backend),
        size_(static_cast<int64_t>(values.size())),
        stride_(stride),
        buffer_(backend.Allocate(size_).value()) {
    backend.Upload(values.data(), 4 * size_, buffer_.raw());
  }

  float* data() { return buffer_.data(); }
  Rows rows() { return {buffer_.data(), stride_ == 0 ? 0 : size_ / stride_, stride_}; }
  std::vector<float> values() {
    const float* const host = backend_.OnHost(buffer_.data(), size_);
    return {host, host + size_};
  }

 private:
  Backend& backend_;
  int64_t size_, stride_;
  Buffer buffer_;
};

}  // namespace trimtab

#endif  // TRIMTAB_TESTS_KERNELS_CUDA_DEVICE_ROWS_H_
