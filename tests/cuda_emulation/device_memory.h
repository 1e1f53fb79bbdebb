// The device's memory, and what is known of the host's.
#ifndef TRIMTAB_TESTS_CUDA_EMULATION_DEVICE_MEMORY_H_
#define TRIMTAB_TESTS_CUDA_EMULATION_DEVICE_MEMORY_H_

#include <cstddef>
#include <cstdint>

namespace cuda_emulation {

// Device memory is one range of addresses that nobody may touch but while the device works: a host that follows a
// device pointer gets a segmentation fault, as with a GPU. Blocks lie apart; the space between is watched. Not
// thread-safe: the device's lock guards it.

// 256-byte aligned, its first 256 KiB filled with values that are not numbers. Null when the limit is reached.
void* AllocateDevice(size_t bytes);
// Fails unless `data` was allocated and nothing wrote around it.
void FreeDevice(void* data);
bool IsDevice(const void* data);
// Fails unless [data, data + bytes) lies in one block.
void CheckDevice(const void* data, size_t bytes, const char* what);

// Opens device memory for a while.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

// How much there is, from now on. 1 GiB at first.
void SetDeviceMemory(size_t bytes);
size_t DeviceMemory();
size_t DeviceMemoryInUse();
// Allocations so far that found too little.
int64_t DeviceMemoryRefusals();

// Page-locked memory of the host, which copies read and write late. Null when the limit is reached.
void* AllocatePinned(size_t bytes);
// How much of it there is beyond what is in use, from now on. 1 GiB at first.
void SetPinnedMemoryLeft(size_t bytes);
void FreePinned(void* data);
bool IsPinned(const void* data);
// Copied from the device to the host in this process, for tests that count; and one more copy.
int64_t BytesToHost();
void CountToHost(size_t bytes);

// Fails if some 8 bytes of a kernel's arguments are a pointer to memory of the host, which a GPU could not follow.
void CheckArguments(const void* arguments, size_t bytes);

}  // namespace cuda_emulation

#endif  // TRIMTAB_TESTS_CUDA_EMULATION_DEVICE_MEMORY_H_
