#include "model/drafter.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trimtab {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int32_t kEos = 1;

TEST(WhatFollowedTest, GoesOnFromTheLongestMatch) {
  const std::vector<int32_t> article = {5, 6, 7, 8, 9, 6, 7, 20, 21, kEos};
  EXPECT_THAT(WhatFollowed(article, std::vector<int32_t>{5, 6, 7}), ElementsAre(8, 9, 6, 7, 20, 21));
  EXPECT_THAT(WhatFollowed(article, std::vector<int32_t>{9, 6, 7}), ElementsAre(20, 21));
}

TEST(WhatFollowedTest, TakesTheLastOfEqualMatches) {
  const std::vector<int32_t> article = {6, 7, 8, 6, 7, 9, kEos};
  EXPECT_THAT(WhatFollowed(article, std::vector<int32_t>{30, 6, 7}), ElementsAre(9));
}

TEST(WhatFollowedTest, NeedsTwoTokensAndNeverOffersTheEnd) {
  const std::vector<int32_t> article = {5, 6, 7, kEos};
  EXPECT_THAT(WhatFollowed(article, std::vector<int32_t>{6}), IsEmpty());
  EXPECT_THAT(WhatFollowed(article, std::vector<int32_t>{8, 6}), IsEmpty());
  EXPECT_THAT(WhatFollowed(article, std::vector<int32_t>{6, 7}), IsEmpty());
  EXPECT_THAT(WhatFollowed(article, std::vector<int32_t>{}), IsEmpty());
  EXPECT_THAT(WhatFollowed({}, std::vector<int32_t>{6, 7}), IsEmpty());
}

class DrafterTest : public testing::Test {
 protected:
  DrafterTest() {
    for (int32_t i = 10; i < 60; ++i) article_.push_back(i);
    article_.push_back(kEos);
  }
  size_t Proposed(Drafter& drafter, int32_t room = 100) { return drafter.Propose(written_, room).size(); }

  std::vector<int32_t> article_;
  const std::vector<int32_t> written_ = {10, 11};
};

TEST_F(DrafterTest, GrowsWhileAllIsAcceptedUpToItsLimit) {
  Drafter drafter(article_, 8);
  EXPECT_EQ(Proposed(drafter), 3u);
  drafter.Learn(3, 3);
  EXPECT_EQ(Proposed(drafter), 6u);
  drafter.Learn(6, 6);
  EXPECT_EQ(Proposed(drafter), 8u);
  drafter.Learn(8, 2);
  EXPECT_EQ(Proposed(drafter), 3u);
}

TEST_F(DrafterTest, RestsTwiceAsLongAfterEachDraftThatWasAllWrong) {
  Drafter drafter(article_, 8);
  std::vector<int> rests;
  for (int round = 0; round < 8; ++round) {
    int rest = 0;
    while (Proposed(drafter) == 0) ++rest;
    rests.push_back(rest);
    drafter.Learn(1, 0);
  }
  EXPECT_THAT(rests, ElementsAre(0, 1, 2, 4, 8, 16, 32, 64));
}

TEST_F(DrafterTest, KeepsToTheRoomAndCanBeOff) {
  Drafter drafter(article_, 8);
  EXPECT_EQ(Proposed(drafter, 2), 2u);
  EXPECT_EQ(Proposed(drafter, 0), 0u);
  Drafter off(article_, 0);
  EXPECT_EQ(Proposed(off), 0u);
}

}  // namespace
}  // namespace trimtab
