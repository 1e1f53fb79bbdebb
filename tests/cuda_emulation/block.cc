#include "tests/cuda_emulation/block.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "tests/cuda_emulation/fibre.h"
#include "tests/cuda_emulation/sanitizer.h"

namespace trimtab::cuda {
// What `extern __shared__` of the kernels names.
alignas(128) unsigned char dynamic_shared[cuda_emulation::kMaxSharedBytes];
}  // namespace trimtab::cuda

constinit thread_local cuda_emulation::Index threadIdx, blockIdx, blockDim, gridDim;

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
  Fibre fibre;
  Index index;
  const Meeting* meeting = nullptr;  // Null: it need not wait.
  uint64_t number = 0;               // Of the meeting it waits for.
  std::source_location place;        // Where it waits.

  bool waits() const { return meeting != nullptr && meeting->number == number; }
};

struct Warp {
  Meeting meeting;
  alignas(16) unsigned char given[2][kWarp * kMaxExchangeBytes];
};

// Of one thread of the host, used for one block after the other.
struct Block {
  std::vector<std::unique_ptr<Thread>> threads;
  std::vector<Warp> warps = std::vector<Warp>(kMaxThreads / kWarp);
  std::vector<int> sequence;
  int size = 0;
  int running = 0;
  Meeting barrier;
};
thread_local Block block;

bool Same(const std::source_location& a, const std::source_location& b) {
  if (a.line() != b.line() || a.column() != b.column()) return false;
  return a.file_name() == b.file_name() || std::strcmp(a.file_name(), b.file_name()) == 0;
}

void Meet(Meeting& meeting, const std::source_location& place) {
  Thread& self = *block.threads[block.running];
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

void Prepare(int size, const std::function<void()>& kernel) {
  while (static_cast<int>(block.threads.size()) < size) block.threads.push_back(std::make_unique<Thread>());
  block.size = size;
  block.barrier = Meeting{size};
  for (int w = 0; w * kWarp < size; ++w) block.warps[w].meeting = Meeting{kWarp};
  const Index& shape = blockDim;
  for (int i = 0; i < size; ++i) {
    const auto n = static_cast<unsigned>(i);
    block.threads[i]->index = {n % shape.x, n / shape.x % shape.y, n / (shape.x * shape.y)};
    block.threads[i]->meeting = nullptr;
    block.threads[i]->fibre.Start([](void* body) { (*static_cast<const std::function<void()>*>(body))(); },
                                  const_cast<std::function<void()>*>(&kernel));
  }
  block.sequence.resize(size);
  std::iota(block.sequence.begin(), block.sequence.end(), 0);
  for (int i = size - 1; i > 0; --i) std::swap(block.sequence[i], block.sequence[Draw(i + 1)]);
}

[[noreturn]] void FailStuck() {
  for (int i = 0; i < block.size; ++i) {
    const Thread& thread = *block.threads[i];
    if (thread.fibre.done() || !thread.waits()) continue;
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
  Prepare(static_cast<int>(shape.x * shape.y * shape.z), kernel);
  std::memset(dynamic_shared, kPoison, shared_bytes);
  const int guarded = std::min(kMaxSharedBytes - shared_bytes, 4096);
  std::memset(dynamic_shared + shared_bytes, kBeyond, guarded);
  PoisonMemory(dynamic_shared + shared_bytes, kMaxSharedBytes - shared_bytes);
  for (int left = block.size; left > 0;) {
    bool progress = false;
    for (const int i : block.sequence) {
      Thread& thread = *block.threads[i];
      if (thread.fibre.done() || thread.waits()) continue;
      progress = true;
      block.running = i;
      threadIdx = thread.index;
      thread.fibre.Resume();
      if (thread.fibre.done()) --left;
    }
    if (!progress) FailStuck();
  }
  UnpoisonMemory(dynamic_shared, kMaxSharedBytes);
  for (int i = 0; i < guarded; ++i) {
    if (dynamic_shared[shared_bytes + i] != kBeyond) Fail("a thread wrote shared memory beyond its end at byte %d", i);
  }
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
