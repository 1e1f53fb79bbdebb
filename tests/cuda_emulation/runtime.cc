#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "tests/cuda_emulation/include/cuda_runtime.h"

namespace cuda_emulation {
namespace {

using Lock = std::lock_guard<std::mutex>;

bool Fits(unsigned n, unsigned most) { return n >= 1 && n <= most; }

void RunGrid(const dim3& grid, const dim3& block, int shared_bytes, const std::function<void()>& kernel) {
  const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z;
  const uint64_t first = Draw(static_cast<uint32_t>(std::min<uint64_t>(blocks, 1u << 30)));
  const bool backwards = Draw(2) == 0;
  blockDim = {block.x, block.y, block.z};
  gridDim = {grid.x, grid.y, grid.z};
  for (uint64_t i = 0; i < blocks; ++i) {
    const uint64_t n = (first + (backwards ? blocks - i : i)) % blocks;
    blockIdx = {static_cast<unsigned>(n % grid.x), static_cast<unsigned>(n / grid.x % grid.y),
                static_cast<unsigned>(n / (uint64_t{grid.x} * grid.y))};
    RunBlock(kernel, shared_bytes);
  }
}

}  // namespace

std::function<void()> GridOf(const cudaLaunchConfig_t& config, std::function<void()> kernel) {
  const dim3 &grid = config.gridDim, &block = config.blockDim;
  const bool fits = Fits(grid.x, 0x7fffffff) && Fits(grid.y, 65535) && Fits(grid.z, 65535) && Fits(block.x, 1024) &&
                    Fits(block.y, 1024) && Fits(block.z, 64) && block.x * block.y * block.z <= kMaxThreads &&
                    config.dynamicSmemBytes <= kMaxSharedBytes;
  if (!fits) return nullptr;
  const int shared_bytes = static_cast<int>(config.dynamicSmemBytes);
  return [grid, block, shared_bytes, kernel = std::move(kernel)] { RunGrid(grid, block, shared_bytes, kernel); };
}

cudaError_t Enqueue(const cudaLaunchConfig_t& config, std::function<void()> kernel) {
  std::function<void()> run = GridOf(config, std::move(kernel));
  if (run == nullptr) return cudaErrorInvalidConfiguration;
  const Lock lock(DeviceLock());
  config.stream->work.push_back({std::move(run), {}, {}});
  return cudaSuccess;
}

}  // namespace cuda_emulation

using cuda_emulation::DeviceLock;
using cuda_emulation::Fail;
using cuda_emulation::IsDevice;
using cuda_emulation::IsPinned;
using cuda_emulation::Lock;

const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "out of memory" : "emulated error";
}
cudaError_t cudaGetLastError() { return cudaSuccess; }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; }
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrMultiProcessorCount ? 3 : 8;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** data, size_t bytes) {
  const Lock lock(DeviceLock());
  *data = cuda_emulation::AllocateDevice(bytes);
  return *data == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}
cudaError_t cudaFree(void* data) {
  if (data == nullptr) return cudaSuccess;
  const Lock lock(DeviceLock());
  cuda_emulation::RunAll();
  cuda_emulation::FreeDevice(data);
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** data, size_t bytes) {
  const Lock lock(DeviceLock());
  *data = cuda_emulation::AllocatePinned(bytes);
  return *data == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}
cudaError_t cudaFreeHost(void* data) {
  if (data == nullptr) return cudaSuccess;
  const Lock lock(DeviceLock());
  cuda_emulation::RunAll();
  cuda_emulation::FreePinned(data);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  const Lock lock(DeviceLock());
  const bool to_device = IsDevice(to), from_device = IsDevice(from);
  if ((kind == cudaMemcpyHostToDevice && (from_device || !to_device)) ||
      (kind == cudaMemcpyDeviceToHost && (to_device || !from_device)) ||
      (kind == cudaMemcpyDeviceToDevice && !(to_device && from_device))) {
    Fail("a copy is of another kind than it says");
  }
  if (bytes == 0) return cudaSuccess;
  if (to_device) cuda_emulation::CheckDevice(to, bytes, "a copy writes");
  if (from_device) cuda_emulation::CheckDevice(from, bytes, "a copy reads");
  if (from_device && !to_device) cuda_emulation::CountToHost(bytes);
  std::shared_ptr<std::vector<std::byte>> staged;
  if (!from_device && !IsPinned(from)) {
    const auto* bytes_of = static_cast<const std::byte*>(from);
    staged = std::make_shared<std::vector<std::byte>>(bytes_of, bytes_of + bytes);
    from = staged->data();
  }
  stream->work.push_back({[=] { std::memcpy(to, from, staged == nullptr ? bytes : staged->size()); }, {}, {}});
  if (!to_device && !IsPinned(to)) cuda_emulation::RunUntilEmpty(stream);
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* data, int value, size_t bytes, cudaStream_t stream) {
  const Lock lock(DeviceLock());
  cuda_emulation::CheckDevice(data, bytes, "a fill writes");
  stream->work.push_back({[=] { std::memset(data, value, bytes); }, {}, {}});
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  if (flags != cudaStreamNonBlocking) return cudaErrorInvalidValue;
  const Lock lock(DeviceLock());
  *stream = cuda_emulation::NewStream();
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const Lock lock(DeviceLock());
  cuda_emulation::DeleteStream(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const Lock lock(DeviceLock());
  cuda_emulation::RunUntilEmpty(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const Lock lock(DeviceLock());
  if (event->point != nullptr) stream->work.push_back({nullptr, event->point, nullptr});
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new cuda_emulation::Event();
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const Lock lock(DeviceLock());
  event->point = std::make_shared<cuda_emulation::Point>();
  stream->work.push_back({nullptr, nullptr, event->point});
  return cudaSuccess;
}
// Lets something run, so that who polls gets there.
cudaError_t cudaEventQuery(cudaEvent_t event) {
  const Lock lock(DeviceLock());
  if (event->point == nullptr || event->point->passed) return cudaSuccess;
  cuda_emulation::RunSomething();
  return cudaErrorNotReady;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Lock lock(DeviceLock());
  if (event->point != nullptr) cuda_emulation::RunUntilPassed(*event->point);
  return cudaSuccess;
}
