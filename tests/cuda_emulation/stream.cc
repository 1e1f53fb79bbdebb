#include "tests/cuda_emulation/stream.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "tests/cuda_emulation/block.h"
#include "tests/cuda_emulation/device_memory.h"

namespace cuda_emulation {
namespace {

std::vector<Stream*>& Streams() {
  static auto& streams = *new std::vector<Stream*>();
  return streams;
}

bool CanRun(const Stream& stream) {
  if (stream.work.empty()) return false;
  const auto& held_by = stream.work.front().waits_for;
  return held_by == nullptr || held_by->passed;
}

template <typename Done>
void RunUntil(Done done) {
  DeviceAccess access;
  while (!done()) {
    if (!RunSomething()) Fail("streams wait for each other or for an event that nobody records");
  }
}

}  // namespace

std::mutex& DeviceLock() {
  static auto& mutex = *new std::mutex();
  return mutex;
}

Stream* NewStream() { return Streams().emplace_back(new Stream()); }

void DeleteStream(Stream* stream) {
  RunUntilEmpty(stream);
  std::erase(Streams(), stream);
  delete stream;
}

bool RunSomething() {
  std::vector<Stream*> ready;
  for (Stream* stream : Streams()) {
    if (CanRun(*stream)) ready.push_back(stream);
  }
  if (ready.empty()) return false;
  Stream& stream = *ready[Draw(static_cast<uint32_t>(ready.size()))];
  const Work work = std::move(stream.work.front());
  stream.work.pop_front();
  if (work.run != nullptr) {
    DeviceAccess access;
    work.run();
  }
  if (work.passes != nullptr) work.passes->passed = true;
  return true;
}

void RunUntilEmpty(Stream* stream) {
  if (stream->work.empty()) return;
  RunUntil([stream] { return stream->work.empty(); });
}

void RunUntilPassed(const Point& point) {
  RunUntil([&point] { return point.passed; });
}

void RunAll() {
  for (Stream* stream : Streams()) RunUntilEmpty(stream);
}

}  // namespace cuda_emulation
