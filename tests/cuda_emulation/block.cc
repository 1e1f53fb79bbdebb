#include "tests/cuda_emulation/block.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "tests/cuda_emulation/fibre.h"
#include "tests/cuda_emulation/sanitizer.h"

namespace trimtab::cuda {
// What `extern __shared__` of the kernels names.
alignas(128) unsigned char dynamic_shared[cuda_emulation::kMaxSharedBytes];
}  // namespace trimtab::cuda

cuda_emulation::Index threadIdx, blockIdx, blockDim, gridDim;

namespace cuda_emulation {
namespace {

using trimtab::cuda::dynamic_shared;

constexpr unsigned char kPoison = 0xff;  // Not a number, in every floating type.
constexpr unsigned char kBeyond = 0xa5;

uint64_t order = 1;

// Where threads meet. A meeting is over when all have come, and the next begins.
struct Meeting {
  explicit Meeting(int expected = 0) : expected(expected) {}

  int expected;
  int arrived = 0;
  uint64_t number = 0;
  std::source_location place;
};

struct Thread {
  Index index;
  Fibre* fibre = nullptr;  // From its first step to its last.
  bool done = false;
  const Meeting* meeting = nullptr;  // Null: it need not wait.
  uint64_t number = 0;               // Of the meeting it waits for.
  std::source_location place;        // Where it waits.

  bool waits() const { return meeting != nullptr && meeting->number == number; }
};

struct Warp {
  Meeting meeting;
  alignas(16) unsigned char given[2][kWarp * kMaxExchangeBytes];
};

// Used for one block after the other.
struct Block {
  std::vector<Thread> threads = std::vector<Thread>(kMaxThreads);
  std::vector<Warp> warps = std::vector<Warp>(kMaxThreads / kWarp);
  std::vector<std::unique_ptr<Fibre>> fibres;
  std::vector<Fibre*> spare;          // What ran last is on top: its stack is still in the caches.
  std::vector<int> lanes;             // The threads, those of each warp in their order.
  std::vector<std::span<int>> order;  // The warps.
  int size = 0;
  int running = 0;
  Meeting barrier;
};
Block& block = *new Block();

bool Same(const std::source_location& a, const std::source_location& b) {
  if (a.line() != b.line() || a.column() != b.column()) return false;
  return a.file_name() == b.file_name() || std::strcmp(a.file_name(), b.file_name()) == 0;
}

void Meet(Meeting& meeting, const std::source_location& place) {
  Thread& self = block.threads[block.running];
  if (meeting.arrived == 0) meeting.place = place;
  if (!Same(meeting.place, place)) {
    Fail("divergence: thread %d waits at %s:%u while others wait at %s:%u", block.running, place.file_name(),
         place.line(), meeting.place.file_name(), meeting.place.line());
  }
  if (++meeting.arrived == meeting.expected) {
    meeting.arrived = 0;
    ++meeting.number;
    return;
  }
  self.meeting = &meeting;
  self.number = meeting.number;
  self.place = place;
  Fibre::Yield();
  self.meeting = nullptr;
}

template <typename T>
void Shuffle(std::span<T> items) {
  for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[Draw(static_cast<uint32_t>(i))]);
}

// Any order of the warps, and of the lanes within each.
void DrawOrder(int size) {
  block.lanes.resize(size);
  std::iota(block.lanes.begin(), block.lanes.end(), 0);
  block.order.clear();
  for (int first = 0; first < size; first += kWarp) {
    block.order.push_back(std::span(block.lanes).subspan(first, std::min(kWarp, size - first)));
    Shuffle(block.order.back());
  }
  Shuffle(std::span(block.order));
}

void Prepare(int size) {
  block.size = size;
  block.barrier = Meeting{size};
  for (int w = 0; w * kWarp < size; ++w) block.warps[w].meeting = Meeting{kWarp};
  const Index& shape = blockDim;
  for (int i = 0; i < size; ++i) {
    const auto n = static_cast<unsigned>(i);
    block.threads[i] = Thread();
    block.threads[i].index = {n % shape.x, n / shape.x % shape.y, n / (shape.x * shape.y)};
  }
  DrawOrder(size);
}

Fibre* TakeFibre() {
  if (block.spare.empty()) block.spare.push_back(block.fibres.emplace_back(std::make_unique<Fibre>()).get());
  Fibre* const fibre = block.spare.back();
  block.spare.pop_back();
  return fibre;
}

// Runs a thread until it waits or ends.
void Run(int i, const std::function<void()>& kernel) {
  Thread& thread = block.threads[i];
  if (thread.fibre == nullptr) {
    thread.fibre = TakeFibre();
    thread.fibre->Start([](void* body) { (*static_cast<const std::function<void()>*>(body))(); },
                        const_cast<std::function<void()>*>(&kernel));
  }
  block.running = i;
  threadIdx = thread.index;
  thread.fibre->Resume();
  if (!thread.fibre->done()) return;
  thread.done = true;
  block.spare.push_back(thread.fibre);
}

// Runs the threads of one warp until all of them wait for others or have ended; how many ended. `progress` tells
// whether any ran.
int RunWarp(std::span<const int> lanes, const std::function<void()>& kernel, bool* progress) {
  int ended = 0;
  for (bool ran = true; ran;) {
    ran = false;
    for (const int i : lanes) {
      Thread& thread = block.threads[i];
      if (thread.done || thread.waits()) continue;
      Run(i, kernel);
      ended += thread.done;
      ran = *progress = true;
    }
  }
  return ended;
}

[[noreturn]] void FailStuck() {
  for (int i = 0; i < block.size; ++i) {
    const Thread& thread = block.threads[i];
    if (thread.done || !thread.waits()) continue;
    Fail("divergence: thread %d waits at %s:%u for threads that have left the kernel or wait elsewhere", i,
         thread.place.file_name(), thread.place.line());
  }
  Fail("the block is stuck");
}

}  // namespace

void Fail(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::fputs("CUDA emulation: ", stderr);
  std::vfprintf(stderr, format, arguments);
  std::fputs("\n", stderr);
  va_end(arguments);
  std::abort();
}

void SeedOrder(uint64_t seed) { order = seed * 2 + 1; }

uint32_t Draw(uint32_t bound) {
  order = order * 6364136223846793005u + 1442695040888963407u;
  return static_cast<uint32_t>((order >> 33) % bound);
}

void RunBlock(const std::function<void()>& kernel, int shared_bytes) {
  const Index& shape = blockDim;
  Prepare(static_cast<int>(shape.x * shape.y * shape.z));
  std::memset(dynamic_shared, kPoison, shared_bytes);
  const int guarded = std::min(kMaxSharedBytes - shared_bytes, 4096);
  std::memset(dynamic_shared + shared_bytes, kBeyond, guarded);
  PoisonMemory(dynamic_shared + shared_bytes, kMaxSharedBytes - shared_bytes);
  for (int left = block.size; left > 0;) {
    bool progress = false;
    for (const std::span<const int> lanes : block.order) left -= RunWarp(lanes, kernel, &progress);
    if (!progress) FailStuck();
  }
  UnpoisonMemory(dynamic_shared, kMaxSharedBytes);
  int written = 0;
  for (int i = 0; i < guarded; ++i) written |= dynamic_shared[shared_bytes + i] ^ kBeyond;
  if (written != 0) Fail("a thread wrote shared memory beyond its end, which is at byte %d", shared_bytes);
}

void SyncThreads(std::source_location place) { Meet(block.barrier, place); }

const void* Exchange(const void* mine, int bytes, std::source_location place) {
  const int thread = block.running, lane = thread % kWarp;
  Warp& warp = block.warps[thread / kWarp];
  unsigned char* const given = warp.given[warp.meeting.number % 2];
  std::memcpy(given + lane * bytes, mine, bytes);
  Meet(warp.meeting, place);
  return given;
}

}  // namespace cuda_emulation
