#include "kernels/host_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <limits>
#include <random>
#include <thread>
#include <utility>
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

TEST(HostMemoryTest, FindsNoneBeyondItsLimitUntilSomeComesBack) {
  {
    std::vector<Buffer> returned;
    for (int i = 0; i < 3; ++i) returned.push_back(AllocateHost(8 * kMegabyte).value());
  }
  const int64_t limit = int64_t{64} << 20;
  SetHostMemoryLimit(limit);
  std::vector<Buffer> large, small;
  small.push_back(AllocateHost(kMegabyte / 4).value());
  for (absl::StatusOr<Buffer> next; (next = AllocateHost(10 * kMegabyte)).ok();) large.push_back(*std::move(next));
  for (absl::StatusOr<Buffer> next; (next = AllocateHost(kMegabyte / 4)).ok();) small.push_back(*std::move(next));
  const HostMemoryUse use = GetHostMemoryUse();
  EXPECT_GT(use.in_use + use.small, limit - HostBlockBytes(kMegabyte / 4)) << "it was not used up";
  EXPECT_LE(use.in_use + use.kept + use.small, limit);
  EXPECT_EQ(AllocateHost(10 * kMegabyte).status().code(), absl::StatusCode::kResourceExhausted);
  large.pop_back();
  EXPECT_TRUE(AllocateHost(10 * kMegabyte).ok());
  EXPECT_TRUE(AllocateHost(kMegabyte / 4).ok());
  small.clear();
  EXPECT_EQ(GetHostMemoryUse().small, 0);
  SetHostMemoryLimit(std::numeric_limits<int64_t>::max());
}

// Pages of the buffer that have memory behind them.
int64_t ResidentPages(Buffer& buffer) {
  std::vector<unsigned char> pages(buffer.bytes() / 4096);
  EXPECT_EQ(mincore(buffer.data(), buffer.bytes(), pages.data()), 0);
  return std::count_if(pages.begin(), pages.end(), [](unsigned char page) { return (page & 1) != 0; });
}

TEST(HostMemoryTest, WhatWasPreparedHasItsMemoryBeforeItIsWritten) {
  constexpr int64_t kElements = 64 * kMegabyte;  // No other test leaves so large a block.
  PrepareHost(kElements);
  Buffer prepared = AllocateHost(kElements).value();
  EXPECT_EQ(ResidentPages(prepared), prepared.bytes() / 4096);
  Buffer another = AllocateHost(kElements).value();
  EXPECT_EQ(ResidentPages(another), 0);
}

TEST(HostMemoryTest, MoreThanThereIsIsRefused) {
  EXPECT_TRUE(absl::IsResourceExhausted(AllocateHost(int64_t{1} << 55).status()));
}

}  // namespace
}  // namespace trimtab
