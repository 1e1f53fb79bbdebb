#include "kernels/host_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <map>
#include <mutex>

#include "absl/strings/str_cat.h"

namespace trimtab {
namespace {

constexpr int64_t kHugePage = int64_t{2} << 20;

int64_t WholeBytes(int64_t elements, int64_t unit) {
  return (elements * static_cast<int64_t>(sizeof(float)) + unit) / unit * unit;
}
bool IsLarge(int64_t elements) { return WholeBytes(elements, kHugePage) > kHugePage; }

// Null when there is none.
std::byte* Map(int64_t bytes) {
  void* const mapped = mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* const begin = static_cast<std::byte*>(mapped);
  const int64_t before = (kHugePage - static_cast<int64_t>(reinterpret_cast<uintptr_t>(begin) % kHugePage)) % kHugePage;
  if (before > 0) munmap(begin, before);
  if (before < kHugePage) munmap(begin + before + bytes, kHugePage - before);
  madvise(begin + before, bytes, MADV_HUGEPAGE);  // A wish; fine if refused.
  return begin + before;
}

// All blocks: large ones, in use and kept, and what small ones take.
class Blocks {
 public:
  static Blocks& Get() {
    static auto& blocks = *new Blocks;
    return blocks;
  }

  void SetLimit(int64_t bytes) {
    std::lock_guard lock(mutex_);
    limit_ = bytes;
    MakeRoom(0);
  }

  // Null when there is none.
  std::byte* Take(int64_t bytes) {
    std::lock_guard lock(mutex_);
    std::byte* block = TakeKept(bytes);
    if (block == nullptr) {
      if (!MakeRoom(bytes)) return nullptr;
      // Room for a new one within the peak, as far as what is kept can make it.
      while (!kept_.empty() && use_.in_use + use_.kept + bytes > std::max(use_.peak, use_.in_use + bytes)) Drop();
      while ((block = Map(bytes)) == nullptr && !kept_.empty()) Drop();
      if (block == nullptr) return nullptr;
      sizes_[block] = bytes;
    }
    use_.in_use += sizes_[block];
    use_.peak = std::max(use_.peak, use_.in_use);
    return block;
  }

  void Return(std::byte* block) {
    std::lock_guard lock(mutex_);
    const int64_t bytes = sizes_[block];
    use_.in_use -= bytes;
    use_.kept += bytes;
    kept_.emplace(bytes, block);
  }

  void* TakeSmall(int64_t bytes) {
    std::lock_guard lock(mutex_);
    if (!MakeRoom(bytes)) return nullptr;
    void* const block = std::aligned_alloc(64, bytes);
    if (block != nullptr) use_.small += bytes;
    return block;
  }

  void ReturnSmall(void* block, int64_t bytes) {
    std::free(block);
    std::lock_guard lock(mutex_);
    use_.small -= bytes;
  }

  HostMemoryUse use() {
    std::lock_guard lock(mutex_);
    return use_;
  }

 private:
  // Below the limit, for so many bytes more, by what is kept. False when that is not enough.
  bool MakeRoom(int64_t bytes) {
    const int64_t room = limit_ - use_.in_use - use_.small - bytes;
    while (!kept_.empty() && use_.kept > room) Drop();
    return use_.kept <= room;
  }
  // The smallest that fits and is not twice too large; null if there is none.
  std::byte* TakeKept(int64_t bytes) {
    const auto found = kept_.lower_bound(bytes);
    if (found == kept_.end() || found->first > 2 * bytes) return nullptr;
    std::byte* const block = found->second;
    use_.kept -= found->first;
    kept_.erase(found);
    return block;
  }
  // Gives the largest kept block back to the system.
  void Drop() {
    const auto largest = std::prev(kept_.end());
    munmap(largest->second, largest->first);
    sizes_.erase(largest->second);
    use_.kept -= largest->first;
    kept_.erase(largest);
  }

  std::mutex mutex_;
  int64_t limit_ = std::numeric_limits<int64_t>::max();
  HostMemoryUse use_;
  std::map<std::byte*, int64_t> sizes_;
  std::multimap<int64_t, std::byte*> kept_;
};

}  // namespace

int64_t HostBlockBytes(int64_t elements) { return WholeBytes(elements, IsLarge(elements) ? kHugePage : 64); }

absl::StatusOr<Buffer> AllocateHost(int64_t elements) {
  const bool large = IsLarge(elements);
  const int64_t bytes = HostBlockBytes(elements);
  void* const data = large ? Blocks::Get().Take(bytes) : Blocks::Get().TakeSmall(bytes);
  if (data == nullptr) {
    return absl::ResourceExhaustedError(absl::StrCat("out of memory: ", bytes, " bytes could not be allocated"));
  }
  if (large) {
    return Buffer(static_cast<float*>(data), elements,
                  [](float* p, int64_t) { Blocks::Get().Return(reinterpret_cast<std::byte*>(p)); });
  }
  return Buffer(static_cast<float*>(data), elements,
                [bytes](float* p, int64_t) { Blocks::Get().ReturnSmall(p, bytes); });
}

void PrepareHost(int64_t elements) {
  constexpr int64_t kPage = 4096 / sizeof(float);
  absl::StatusOr<Buffer> block = AllocateHost(elements);
  if (!block.ok()) return;
  for (volatile float* p = block->data(); p < block->data() + elements; p += kPage) *p = 0.0f;
}

void SetHostMemoryLimit(int64_t bytes) { Blocks::Get().SetLimit(bytes); }

HostMemoryUse GetHostMemoryUse() { return Blocks::Get().use(); }

}  // namespace trimtab
