#include "kernels/thread_pool.h"

#include <algorithm>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace trimtab {
namespace {

constexpr int kSpins = 4000;  // Some tens of microseconds: the gap between two operations of one decode step.
constexpr int kItemBits = 20;
constexpr uint64_t kItemMask = (uint64_t{1} << kItemBits) - 1;
constexpr int kEpochShift = 2 * kItemBits;

uint64_t NextItem(uint64_t state) { return state & kItemMask; }
uint64_t Items(uint64_t state) { return (state >> kItemBits) & kItemMask; }

void Pause() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

}  // namespace

int ThreadsOrCores(int threads) {
  if (threads > 0) return threads;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

ThreadPool::ThreadPool(int threads) {
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { WorkerLoop(i); });
}

ThreadPool::~ThreadPool() {
  stop_ = true;
  state_ += uint64_t{1} << kEpochShift;
  state_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::ParallelFor(int64_t items, Body body) {
  if (workers_.empty() || items <= 1) {
    for (int64_t i = 0; i < items; ++i) body(i, 0);
    return;
  }
  body_.store(&body, std::memory_order_relaxed);
  completed_.store(0, std::memory_order_relaxed);
  const uint64_t epoch = (state_.load(std::memory_order_relaxed) >> kEpochShift) + 1;
  const uint64_t state = (epoch << kEpochShift) | (static_cast<uint64_t>(items) << kItemBits);
  state_.store(state, std::memory_order_release);
  state_.notify_all();
  RunItems(state, 0);
  for (int spins = 0; completed_.load(std::memory_order_acquire) < items; ++spins) {
    if (spins < kSpins) {
      Pause();
    } else {
      std::this_thread::yield();
    }
  }
}

void ThreadPool::RunItems(uint64_t state, int thread) {
  const uint64_t job = state >> kItemBits;
  while (state >> kItemBits == job && NextItem(state) < Items(state)) {
    if (!state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel)) continue;
    (*body_.load(std::memory_order_relaxed))(static_cast<int64_t>(NextItem(state)), thread);
    completed_.fetch_add(1, std::memory_order_release);
    state = state_.load(std::memory_order_acquire);
  }
}

void ThreadPool::WorkerLoop(int thread) {
  uint64_t seen = 0;
  while (!stop_) {
    uint64_t state = state_.load(std::memory_order_acquire);
    for (int spins = 0; state == seen && spins < kSpins; ++spins) {
      Pause();
      state = state_.load(std::memory_order_acquire);
    }
    if (state == seen) {
      state_.wait(seen, std::memory_order_acquire);
      continue;
    }
    RunItems(state, thread);
    seen = state_.load(std::memory_order_acquire);
    if (NextItem(seen) < Items(seen)) seen = ~seen;  // A new job began meanwhile: do not sleep on it.
  }
}

}  // namespace trimtab
