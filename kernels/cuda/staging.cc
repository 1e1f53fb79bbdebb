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
  if (!Fits(bytes)) {
    Check(cudaStreamSynchronize(stream_), "waiting for the stream");
    Rewind();
  }
  std::memcpy(host_ + used_, data, bytes);
  std::byte* const to = device_.raw() + used_;
  used_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return to;
}

void Staging::Send() {
  if (sent_ == used_) return;
  Check(cudaMemcpyAsync(device_.raw() + sent_, host_ + sent_, used_ - sent_, cudaMemcpyHostToDevice, stream_),
        "copying to the device");
  sent_ = used_;
}

}  // namespace trimtab::cuda
