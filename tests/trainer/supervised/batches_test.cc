#include "trainer/supervised/batches.h"

#include <algorithm>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trimtab {
namespace {

std::vector<int32_t> Lengths(size_t count) {
  std::vector<int32_t> lengths;
  for (size_t i = 0; i < count; ++i) lengths.push_back(static_cast<int32_t>(i * 7919 % 101));
  return lengths;
}

TEST(EpochBatchesTest, EveryExampleAppearsAtMostOnceAndBatchesAreFull) {
  const auto batches = EpochBatches(Lengths(1003), 8, 1, 0);
  EXPECT_EQ(batches.size(), 125u);
  std::set<size_t> seen;
  for (const auto& batch : batches) {
    EXPECT_EQ(batch.size(), 8u);
    seen.insert(batch.begin(), batch.end());
  }
  EXPECT_EQ(seen.size(), 1000u);
  EXPECT_THAT(EpochBatches(Lengths(5), 8, 1, 0), testing::ElementsAre(testing::SizeIs(5)));
}

TEST(EpochBatchesTest, BatchesHoldLikeLengths) {
  const auto lengths = Lengths(4000);
  int64_t padding = 0;
  for (const auto& batch : EpochBatches(lengths, 8, 1, 0)) {
    int32_t longest = 0;
    for (const size_t i : batch) longest = std::max(longest, lengths[i]);
    for (const size_t i : batch) padding += longest - lengths[i];
  }
  EXPECT_LT(padding, 4000 * 3);  // About 45 an example in random batches.
}

TEST(EpochBatchesTest, SeedAndEpochDecide) {
  const auto lengths = Lengths(500);
  EXPECT_EQ(EpochBatches(lengths, 8, 1, 0), EpochBatches(lengths, 8, 1, 0));
  EXPECT_NE(EpochBatches(lengths, 8, 1, 0), EpochBatches(lengths, 8, 1, 1));
  EXPECT_NE(EpochBatches(lengths, 8, 1, 0), EpochBatches(lengths, 8, 2, 0));
}

}  // namespace
}  // namespace trimtab
