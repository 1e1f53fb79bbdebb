#include "kernels/cuda/device_memory.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/cuda/check.h"

namespace trimtab::cuda {
namespace {

// A kept block may be larger than what is asked for by so much, and by an eighth.
constexpr int64_t kSpareElements = 1024;

// Null when there is none.
float* TryAllocate(int64_t elements) {
  void* data = nullptr;
  const cudaError_t error = cudaMalloc(&data, elements * sizeof(float));
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // Or the next launch would be blamed for it.
    return nullptr;
  }
  Check(error, "allocating memory");
  return static_cast<float*>(data);
}

}  // namespace

DeviceMemory::DeviceMemory(int device, cudaStream_t user) : device_(device), user_(user) {}

DeviceMemory::~DeviceMemory() {
  cudaSetDevice(device_);
  KeepDone(/*wait=*/true);
  ReleaseKept();
}

absl::StatusOr<Buffer> DeviceMemory::Allocate(int64_t elements) {
  const int64_t asked = elements < 1 ? 1 : elements;
  const std::lock_guard<std::mutex> lock(mutex_);
  Check(cudaSetDevice(device_), "choosing the device");
  KeepDone(/*wait=*/false);
  Block block = TakeKept(asked);
  if (block.data == nullptr) block = {TryAllocate(asked), asked};
  if (block.data == nullptr) {
    KeepDone(/*wait=*/true);
    ReleaseKept();
    block.data = TryAllocate(asked);
  }
  if (block.data == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the device has no ", asked * static_cast<int64_t>(sizeof(float)), " bytes of memory left"));
  }
  return Buffer(block.data, elements, [self = shared_from_this(), block](float*, int64_t) { self->Free(block); });
}

void DeviceMemory::Free(Block block) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Check(cudaSetDevice(device_), "choosing the device");
  if (user_ == nullptr) {
    kept_.emplace(block.elements, block.data);
    return;
  }
  Returned returned{block, nullptr};
  Check(cudaEventCreateWithFlags(&returned.done, cudaEventDisableTiming), "making an event");
  Check(cudaEventRecord(returned.done, user_), "recording an event");
  returned_.push_back(returned);
}

void DeviceMemory::Close() {
  const std::lock_guard<std::mutex> lock(mutex_);
  KeepDone(/*wait=*/true);
  user_ = nullptr;
}

DeviceMemory::Block DeviceMemory::TakeKept(int64_t elements) {
  const auto found = kept_.lower_bound(elements);
  if (found == kept_.end() || found->first > elements + elements / 8 + kSpareElements) return {};
  const Block block{found->second, found->first};
  kept_.erase(found);
  return block;
}

void DeviceMemory::KeepDone(bool wait) {
  for (; !returned_.empty(); returned_.pop_front()) {
    const Returned& oldest = returned_.front();
    if (wait) Check(cudaEventSynchronize(oldest.done), "waiting for an event");
    const cudaError_t state = cudaEventQuery(oldest.done);
    if (state == cudaErrorNotReady) return;
    Check(state, "asking for an event");
    Check(cudaEventDestroy(oldest.done), "ending an event");
    kept_.emplace(oldest.block.elements, oldest.block.data);
  }
}

void DeviceMemory::ReleaseKept() {
  for (const auto& [elements, data] : kept_) Check(cudaFree(data), "freeing memory");
  kept_.clear();
}

}  // namespace trimtab::cuda
