// Streams that run as late as they may and in any order that they may: work waits until somebody waits for it, and then
// the next piece comes from a stream drawn at random among those that nothing holds.
#ifndef TRIMTAB_TESTS_CUDA_EMULATION_STREAM_H_
#define TRIMTAB_TESTS_CUDA_EMULATION_STREAM_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

namespace cuda_emulation {

// A point in a stream that others can wait for.
struct Point {
  bool passed = false;
};

struct Event {
  std::shared_ptr<Point> point;  // The last one recorded; null: none.
};

struct Work {
  std::function<void()> run;         // Null where it only waits or records.
  std::shared_ptr<Point> waits_for;  // Null: nothing.
  std::shared_ptr<Point> passes;     // Null: nothing.
};

struct Stream {
  std::deque<Work> work;
};

// Guards all state of the device: streams, memory, order.
std::mutex& DeviceLock();

// All below: with the lock held.
Stream* NewStream();
void DeleteStream(Stream* stream);
void RunUntilEmpty(Stream* stream);
void RunUntilPassed(const Point& point);
void RunAll();
// One piece of work of some stream, if any can run.
bool RunSomething();

}  // namespace cuda_emulation

#endif  // TRIMTAB_TESTS_CUDA_EMULATION_STREAM_H_
