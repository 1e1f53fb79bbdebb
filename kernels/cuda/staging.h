#ifndef TRIMTAB_KERNELS_CUDA_STAGING_H_
#define TRIMTAB_KERNELS_CUDA_STAGING_H_

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "kernels/buffer.h"
#include "kernels/cuda/device_memory.h"

namespace trimtab::cuda {

// Carries small tables that change with every operation (ids, pointers, tiles) to the device: through page-locked
// memory, in the order of the stream, without waiting, many at once. For one thread.
class Staging {
 public:
  // The stream must outlive the result. ResourceExhausted when there is no memory.
  static absl::StatusOr<std::unique_ptr<Staging>> Create(DeviceMemory& memory, cudaStream_t stream);
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // At most so many bytes at a time.
  static constexpr int64_t kBytes = int64_t{1} << 20;

  // Where `items` will be on the device for all that is put in the stream after the next Send and before many more are
  // pushed: where these do not fit, the stream is waited for.
  template <typename T>
  const T* Push(std::span<const T> items) {
    return reinterpret_cast<const T*>(PushBytes(items.data(), static_cast<int64_t>(items.size_bytes())));
  }
  bool Fits(int64_t bytes) const { return used_ + bytes <= kBytes; }
  // What was pushed since the last time, in one copy.
  void Send();
  // To be called when the stream is known to be empty, and all that was pushed of no more use.
  void Rewind() { used_ = sent_ = 0; }

 private:
  explicit Staging(cudaStream_t stream) : stream_(stream) {}
  const std::byte* PushBytes(const void* data, int64_t bytes);

  const cudaStream_t stream_;
  std::byte* host_ = nullptr;
  Buffer device_;
  int64_t used_ = 0, sent_ = 0;
};

}  // namespace trimtab::cuda

#endif  // TRIMTAB_KERNELS_CUDA_STAGING_H_
