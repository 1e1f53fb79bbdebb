#include "kernels/cuda/staging.h"

#include <cstring>
#include <utility>

#include "kernels/cuda/check.h"

namespace trimtab::cuda {

absl::StatusOr<std::unique_ptr<Staging>> Staging::Create(DeviceMemory& memory, cudaStream_t stream) {
  std::unique_ptr<Staging> staging(new Staging(stream));
  absl::StatusOr<Buffer> device = memory.Allocate(kBytes / 4);
  if (!device.ok()) return device.status();
  staging->device_ = *std::move(device);
  void* host = nullptr;
  if (cudaMallocHost(&host, kBytes) != cudaSuccess) {
    return absl::ResourceExhaustedError("no page-locked memory for copies to the device");
  }
  staging->host_ = static_cast<std::byte*>(host);
  return staging;
}

Staging::~Staging() { Check(cudaFreeHost(host_), "freeing page-locked memory"); }

const std::byte* Staging::PushBytes(const void* data, int64_t bytes) {
  constexpr int64_t kAlignment = 64;
  if (used_ + bytes > kBytes) {
    Check(cudaStreamSynchronize(stream_), "waiting for the stream");
    used_ = 0;
  }
  std::memcpy(host_ + used_, data, bytes);
  std::byte* const to = device_.raw() + used_;
  Check(cudaMemcpyAsync(to, host_ + used_, bytes, cudaMemcpyHostToDevice, stream_), "copying to the device");
  used_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return to;
}

}  // namespace trimtab::cuda
