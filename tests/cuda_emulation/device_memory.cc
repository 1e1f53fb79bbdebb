#include "tests/cuda_emulation/device_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>

#include "tests/cuda_emulation/block.h"
#include "tests/cuda_emulation/sanitizer.h"

namespace cuda_emulation {
namespace {

constexpr size_t kReserved = size_t{16} << 30;  // Of addresses.
constexpr size_t kAlignment = 256;
constexpr size_t kGap = 256;  // Between blocks, at least.
constexpr unsigned char kPoison = 0xff;
constexpr unsigned char kBetween = 0xa5;

struct Memory {
  std::byte* base = nullptr;
  size_t opened = 0;                  // Bytes from the base that were ever used.
  std::map<std::byte*, size_t> used;  // Block to bytes.
  std::map<const std::byte*, size_t> pinned;
  size_t pinned_left = size_t{1} << 30;
  size_t in_use = 0;
  size_t limit = size_t{1} << 30;
  int64_t refusals = 0;
  int64_t bytes_to_host = 0;
  int accesses = 0;
};

Memory& memory() {
  static Memory& m = *[] {
    auto* made = new Memory();
    void* base = mmap(nullptr, kReserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) Fail("no addresses for device memory");
    made->base = static_cast<std::byte*>(base);
    return made;
  }();
  return m;
}

size_t Span(size_t bytes) { return (bytes + kGap + kAlignment - 1) / kAlignment * kAlignment; }

// The block that `data` lies in; the end of `used` if none.
auto Find(const void* data) {
  Memory& m = memory();
  auto* const place = const_cast<std::byte*>(static_cast<const std::byte*>(data));
  auto found = m.used.upper_bound(place);
  if (found == m.used.begin()) return m.used.end();
  --found;
  return place < found->first + found->second ? found : m.used.end();
}

// The first gap that holds `span` bytes.
std::byte* FindSpace(size_t span) {
  std::byte* next = memory().base;
  for (const auto& [data, bytes] : memory().used) {
    if (next + span <= data) break;
    next = data + Span(bytes);
  }
  return next;
}

// The first bytes of a large block are enough: pages that nobody touches cost nothing when access changes.
void Poison(std::byte* data, size_t bytes) { std::memset(data, kPoison, std::min(bytes, size_t{256} << 10)); }

bool Mapped(uintptr_t address) {
#ifdef __SANITIZE_ADDRESS__
  if (address < 0x10007fff8000) return false;  // Its shadow lies below; two small integers look like a place in it.
#endif
  const auto page = static_cast<uintptr_t>(getpagesize());
  unsigned char resident;
  return mincore(reinterpret_cast<void*>(address / page * page), page, &resident) == 0;
}

}  // namespace

void* AllocateDevice(size_t bytes) {
  Memory& m = memory();
  if (bytes > m.limit || m.in_use > m.limit - bytes) {
    ++m.refusals;
    return nullptr;
  }
  std::byte* const data = FindSpace(Span(bytes));
  const size_t end = data + Span(bytes) - m.base;
  if (end > kReserved) return nullptr;
  m.opened = std::max(m.opened, (end + 65535) / 65536 * 65536);
  DeviceAccess access;
  UnpoisonMemory(data, Span(bytes));
  Poison(data, bytes);
  std::memset(data + bytes, kBetween, Span(bytes) - bytes);
  PoisonMemory(data + bytes, Span(bytes) - bytes);
  m.used[data] = bytes;
  m.in_use += bytes;
  return data;
}

void FreeDevice(void* data) {
  Memory& m = memory();
  const auto found = m.used.find(static_cast<std::byte*>(data));
  if (found == m.used.end()) Fail("cudaFree of %p, which is not allocated", data);
  const auto [start, bytes] = *found;
  DeviceAccess access;
  UnpoisonMemory(start, Span(bytes));
  for (size_t i = bytes; i < Span(bytes); ++i) {
    if (start[i] != std::byte{kBetween}) Fail("something wrote %zu bytes beyond a block of %zu", i - bytes, bytes);
  }
  Poison(start, bytes);
  PoisonMemory(start, Span(bytes));
  m.used.erase(found);
  m.in_use -= bytes;
}

bool IsDevice(const void* data) {
  const auto* place = static_cast<const std::byte*>(data);
  return place >= memory().base && place < memory().base + kReserved;
}

void CheckDevice(const void* data, size_t bytes, const char* what) {
  const auto found = Find(data);
  if (found == memory().used.end()) Fail("%s of device memory that is not allocated", what);
  if (static_cast<const std::byte*>(data) + bytes > found->first + found->second) Fail("%s beyond a block's end", what);
}

DeviceAccess::DeviceAccess() {
  if (memory().accesses++ == 0) mprotect(memory().base, memory().opened, PROT_READ | PROT_WRITE);
}

DeviceAccess::~DeviceAccess() {
  if (--memory().accesses == 0) mprotect(memory().base, memory().opened, PROT_NONE);
}

void SetDeviceMemory(size_t bytes) { memory().limit = bytes; }
size_t DeviceMemory() { return memory().limit; }
size_t DeviceMemoryInUse() { return memory().in_use; }
int64_t DeviceMemoryRefusals() { return memory().refusals; }

void* AllocatePinned(size_t bytes) {
  if (bytes > memory().pinned_left) return nullptr;
  memory().pinned_left -= bytes;
  void* const data = std::malloc(bytes);
  memory().pinned[static_cast<std::byte*>(data)] = bytes;
  return data;
}

void FreePinned(void* data) {
  const auto found = memory().pinned.find(static_cast<std::byte*>(data));
  if (found == memory().pinned.end()) Fail("cudaFreeHost of %p: not allocated", data);
  memory().pinned_left += found->second;
  memory().pinned.erase(found);
  std::free(data);
}

void SetPinnedMemoryLeft(size_t bytes) { memory().pinned_left = bytes; }

bool IsPinned(const void* data) {
  const auto* place = static_cast<const std::byte*>(data);
  auto found = memory().pinned.upper_bound(place);
  if (found == memory().pinned.begin()) return false;
  --found;
  return place < found->first + found->second;
}

int64_t BytesToHost() { return memory().bytes_to_host; }
void CountToHost(size_t bytes) { memory().bytes_to_host += static_cast<int64_t>(bytes); }

void CheckArguments(const void* arguments, size_t bytes) {
  for (size_t i = 0; i + sizeof(uintptr_t) <= bytes; i += sizeof(uintptr_t)) {
    uintptr_t word;
    std::memcpy(&word, static_cast<const std::byte*>(arguments) + i, sizeof(word));
    if (word >> 32 == 0 || word >> 47 != 0 || word % 4 != 0) continue;
    const void* const pointer = reinterpret_cast<const void*>(word);
    if (!IsDevice(pointer) && Mapped(word)) Fail("a kernel was given %p, a pointer to memory of the host", pointer);
  }
}

}  // namespace cuda_emulation
