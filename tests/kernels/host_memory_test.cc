#include "kernels/host_memory.h"

#include <sys/resource.h>

#include <algorithm>
#include <random>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace trimtab {
namespace {

constexpr int64_t kMegabyte = (1 << 20) / sizeof(float);  // Elements.

TEST(HostMemoryTest, AlignsAndHoldsWhatItSays) {
  for (int64_t elements : {int64_t{0}, int64_t{1}, int64_t{17}, kMegabyte, 5 * kMegabyte + 3}) {
    Buffer buffer = AllocateHost(elements).value();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 64, 0u) << elements;
    std::fill(buffer.data(), buffer.data() + elements, 1.0f);
    EXPECT_EQ(buffer.elements(), elements);
  }
}

TEST(HostMemoryTest, ABlockThatCameBackIsUsedAgain) {
  const float* first = AllocateHost(8 * kMegabyte).value().data();
  EXPECT_EQ(AllocateHost(7 * kMegabyte).value().data(), first);
  EXPECT_NE(AllocateHost(2 * kMegabyte).value().data(), first);  // Not for something much smaller.
}

TEST(HostMemoryTest, NeverTakesMoreThanWasInUseAtSomeTime) {
  std::mt19937 random(5);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([seed = random()] {
      std::mt19937 mine(seed);
      std::vector<Buffer> held;
      for (int i = 0; i < 300; ++i) {
        held.push_back(AllocateHost((1 + mine() % 40) * kMegabyte).value());
        held.back().data()[0] = 1.0f;
        if (held.size() > 1 + mine() % 6) held.erase(held.begin(), held.begin() + held.size() / 2);
        const HostMemoryUse use = GetHostMemoryUse();
        ASSERT_LE(use.in_use + use.kept, use.peak);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(GetHostMemoryUse().in_use, 0);
}

int64_t PageFaults() {
  rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_minflt;
}

TEST(HostMemoryTest, WhatWasPreparedIsWrittenWithoutAPageFault) {
  constexpr int64_t kElements = 512 * kMegabyte;  // More than any other test leaves behind.
  PrepareHost(kElements);
  Buffer buffer = AllocateHost(kElements).value();
  const int64_t before = PageFaults();
  std::fill(buffer.data(), buffer.data() + kElements, 1.0f);
  EXPECT_LT(PageFaults() - before, 16);  // Unprepared: 256 of huge pages, or 131,072.
}

TEST(HostMemoryTest, MoreThanThereIsIsRefused) {
  EXPECT_TRUE(absl::IsResourceExhausted(AllocateHost(int64_t{1} << 55).status()));
}

}  // namespace
}  // namespace trimtab
