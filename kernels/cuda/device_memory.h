// Blocks of one device's memory, kept for use again: the runtime's allocation stops the whole device.
#ifndef TRIMTAB_KERNELS_CUDA_DEVICE_MEMORY_H_
#define TRIMTAB_KERNELS_CUDA_DEVICE_MEMORY_H_

#include <cuda_runtime.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>

#include "absl/status/statusor.h"
#include "kernels/buffer.h"

namespace trimtab::cuda {

// A block that comes back is given out again only when everything the user's stream had been told by then is done, so a
// buffer may be dropped while kernels that read it still wait. Work of other streams with a buffer must be over when it
// is dropped. Thread-safe.
class DeviceMemory : public std::enable_shared_from_this<DeviceMemory> {
 public:
  // The stream must outlive the use of this; buffers may be freed after Close.
  DeviceMemory(int device, cudaStream_t user);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  // 256-byte aligned, values unspecified; keeps this alive. ResourceExhausted when the device has no more.
  absl::StatusOr<Buffer> Allocate(int64_t elements);

  // The stream is about to end: all of its work is done. Blocks that come back from now on are free at once.
  void Close();

 private:
  struct Block {
    float* data = nullptr;  // Null: none.
    int64_t elements = 0;
  };
  struct Returned {
    Block block;
    cudaEvent_t done;
  };

  void Free(Block block);
  // All below: with the lock held.
  Block TakeKept(int64_t elements);
  void KeepDone(bool wait);
  void ReleaseKept();

  const int device_;
  std::mutex mutex_;
  cudaStream_t user_;                    // Null after Close.
  std::deque<Returned> returned_;        // In the order of their events.
  std::multimap<int64_t, float*> kept_;  // By size.
};

}  // namespace trimtab::cuda

#endif  // TRIMTAB_KERNELS_CUDA_DEVICE_MEMORY_H_
