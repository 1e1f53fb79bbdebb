#include "model/relative_bias.h"

#include <vector>

#include "gtest/gtest.h"

namespace trimtab {
namespace {

struct Golden {
  bool bidirectional;
  int32_t buckets;
  int32_t max_distance;
  std::vector<int32_t> expected;
};

// Buckets that transformers 4.57.1 gives for these distances.
const std::vector<int32_t> kDistances = {-1000, -129, -128, -127, -91, -64, -40, -21, -20, -17, -16, -15, -9,
                                         -8,    -7,   -3,   -1,   0,   1,   2,   7,   8,   9,   11,  12,  15,
                                         16,    23,   31,   32,   45,  63,  64,  90,  91,  127, 128, 500};
const std::vector<Golden> kGoldens = {
    {true, 32, 128, {15, 15, 15, 15, 15, 14, 12, 10, 10, 10, 10, 9,  8,  8,  7,  3,  1,  0,  17,
                     18, 23, 24, 24, 24, 25, 25, 26, 27, 27, 28, 28, 29, 30, 30, 31, 31, 31, 31}},
    {false, 32, 128, {31, 31, 31, 31, 29, 26, 23, 18, 17, 16, 16, 15, 9, 8, 7, 3, 1, 0, 0,
                      0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0, 0, 0, 0, 0, 0, 0}},
    {true, 8, 20, {3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 1, 0, 5,
                   6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7}},
    {false, 12, 50, {11, 11, 11, 11, 11, 11, 11, 9, 9, 8, 8, 8, 7, 6, 6, 3, 1, 0, 0,
                     0,  0,  0,  0,  0,  0,  0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
};

TEST(RelativeBiasTest, BucketsAreThoseModelsWereTrainedWith) {
  for (const Golden& golden : kGoldens) {
    for (size_t i = 0; i < kDistances.size(); ++i) {
      EXPECT_EQ(RelativeBucket(kDistances[i], golden.bidirectional, golden.buckets, golden.max_distance),
                golden.expected[i])
          << "distance " << kDistances[i] << " of " << golden.buckets << " buckets";
    }
  }
}

TEST(RelativeBiasTest, AnExpandedTableHoldsEachDistancesBucketPerHead) {
  T5Config config;
  config.num_heads = 3;
  config.relative_buckets = 8;
  config.relative_max_distance = 20;
  std::vector<float> table(8 * 3);
  for (size_t i = 0; i < table.size(); ++i) table[i] = static_cast<float>(i);
  for (bool bidirectional : {true, false}) {
    const std::vector<float> expanded = ExpandRelativeBias(table, config, bidirectional);
    ASSERT_EQ(expanded.size(), 3u * 41u);
    for (int32_t head = 0; head < 3; ++head) {
      for (int32_t distance = -20; distance <= 20; ++distance) {
        EXPECT_EQ(expanded[head * 41 + 20 + distance], RelativeBucket(distance, bidirectional, 8, 20) * 3 + head);
      }
    }
  }
}

TEST(RelativeBiasTest, EveryDistanceBeyondTheReachSharesItsBucket) {
  for (bool bidirectional : {true, false}) {
    for (int32_t distance : {129, 200, 100000}) {
      EXPECT_EQ(RelativeBucket(distance, bidirectional, 32, 128), RelativeBucket(128, bidirectional, 32, 128));
      EXPECT_EQ(RelativeBucket(-distance, bidirectional, 32, 128), RelativeBucket(-128, bidirectional, 32, 128));
    }
  }
}

}  // namespace
}  // namespace trimtab
