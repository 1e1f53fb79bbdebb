#include "server/batch_plan.h"

#include <optional>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trimtab {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kA = 1, kB = 2, kC = 3;
constexpr int32_t kNoLimit = 1000;

struct PlanCase {
  const char* what;
  std::vector<Candidate> waiting;
  std::vector<LaneLoad> running;
  int32_t free_rows;
  std::vector<size_t> joined;
};

TEST(BatchPlanTest, FollowsItsTable) {
  const PlanCase cases[] = {
      {"nobody waits", {}, {{kA, 2}}, 4, {}},
      {"no row is free", {{kA, 1}}, {{kA, 4}}, 0, {}},
      {"one lane joins in order of arrival", {{kA, 1}, {kA, 1}, {kA, 1}}, {}, 2, {0, 1}},
      {"all fit", {{kA, 1}, {kB, 1}}, {}, 8, {0, 1}},
      {"lanes alternate", {{kA, 1}, {kA, 1}, {kA, 1}, {kB, 1}, {kB, 1}}, {}, 4, {0, 3, 1, 4}},
      {"a lane without rows goes first", {{kA, 1}, {kB, 1}}, {{kA, 3}}, 1, {1}},
      {"rows of what runs count", {{kA, 1}, {kB, 1}, {kC, 1}}, {{kA, 2}, {kB, 1}}, 3, {2, 1, 0}},
      {"loads of one lane add up", {{kA, 1}, {kB, 1}}, {{kA, 1}, {kA, 2}, {kB, 2}}, 1, {1}},
      {"joined rows count too", {{kA, 4}, {kA, 1}, {kB, 1}, {kB, 1}}, {}, 8, {0, 2, 3, 1}},
      {"ties go to the oldest", {{kB, 1}, {kA, 1}, {kC, 1}}, {{kA, 2}, {kB, 2}, {kC, 2}}, 2, {0, 1}},
      {"a wide one that does not fit stops the plan", {{kA, 8}, {kB, 1}, {kC, 1}}, {}, 4, {}},
      {"those before the wide one still join", {{kA, 1}, {kB, 8}, {kC, 1}}, {}, 4, {0}},
      {"a busy lane's wide one does not stop a lighter lane", {{kA, 8}, {kB, 1}}, {{kA, 2}}, 4, {1}},
      {"exactly full", {{kA, 4}, {kB, 4}}, {}, 8, {0, 1}},
  };
  for (const PlanCase& c : cases) {
    EXPECT_EQ(PlanAdmissions(c.waiting, c.running, c.free_rows, kNoLimit), c.joined) << c.what;
  }
}

TEST(BatchPlanTest, ALaneAtItsLimitWaitsAndOthersDoNot) {
  const std::vector<Candidate> waiting = {{kA, 1}, {kA, 1}, {kA, 1}, {kB, 1}};
  EXPECT_THAT(PlanAdmissions(waiting, {}, 8, 2), ElementsAre(0, 3, 1));
  const LaneLoad full{kA, 2};
  EXPECT_THAT(PlanAdmissions(waiting, {&full, 1}, 8, 2), ElementsAre(3));
  const Candidate wide{kA, 8};
  EXPECT_THAT(PlanAdmissions({&wide, 1}, {}, 8, 2), ElementsAre(0)) << "a lane without rows may exceed it";
  EXPECT_THAT(PlanAdmissions({&wide, 1}, {&full, 1}, 8, 2), IsEmpty());
}

TEST(BatchPlanTest, TheSecondDemandIsThatOfTheLaneAfterTheLargest) {
  EXPECT_EQ(SecondDemand({}, {}), 0);
  const std::vector<Candidate> flood = {{kA, 1}, {kA, 4}, {kA, 1}};
  EXPECT_EQ(SecondDemand(flood, {}), 0);
  const std::vector<LaneLoad> running = {{kA, 9}, {kB, 1}, {kC, 2}, {kB, 2}};
  EXPECT_EQ(SecondDemand(flood, running), 3);
  EXPECT_EQ(SecondDemand({}, {{{kA, 5}, {kB, 5}}}), 5);
}

TEST(PlanDisplacementTest, TakesFromTheLaneOfWhichMostWaitWhereThatIsFairer) {
  EXPECT_EQ(PlanDisplacement({{kA, 40}, {kB, 3}}, kC), kA);
  EXPECT_EQ(PlanDisplacement({{kA, 40}, {kB, 3}}, kB), kA);
  EXPECT_EQ(PlanDisplacement({{kA, 40}, {kB, 3}}, kA), std::nullopt) << "the flood displaces nobody";
  EXPECT_EQ(PlanDisplacement({{kA, 5}, {kB, 3}}, kB), kA);
  EXPECT_EQ(PlanDisplacement({{kA, 4}, {kB, 3}}, kB), std::nullopt) << "they would only change places";
  EXPECT_EQ(PlanDisplacement({{kA, 2}}, kB), kA);
  EXPECT_EQ(PlanDisplacement({{kA, 1}}, kB), std::nullopt);
  EXPECT_EQ(PlanDisplacement({}, kA), std::nullopt);
}

TEST(BatchPlanTest, NeverPlansMoreRowsThanAreFreeAndNobodyTwice) {
  std::minstd_rand generator(1);
  const auto random = [&generator](uint32_t n) { return static_cast<uint32_t>(generator() % n); };
  for (int round = 0; round < 2000; ++round) {
    std::vector<Candidate> waiting(random(20));
    for (Candidate& candidate : waiting) candidate = {random(5), static_cast<int32_t>(1 + random(8))};
    std::vector<LaneLoad> running(random(5));
    for (LaneLoad& load : running) load = {random(5), static_cast<int32_t>(1 + random(8))};
    const auto free_rows = static_cast<int32_t>(random(33));

    std::vector<bool> seen(waiting.size(), false);
    int32_t rows = 0;
    for (const size_t i : PlanAdmissions(waiting, running, free_rows, kNoLimit)) {
      ASSERT_LT(i, waiting.size());
      ASSERT_FALSE(seen[i]);
      seen[i] = true;
      rows += waiting[i].rows;
      // Within a lane nobody overtakes.
      for (size_t older = 0; older < i; ++older) ASSERT_TRUE(waiting[older].lane != waiting[i].lane || seen[older]);
    }
    ASSERT_LE(rows, free_rows);
  }
}

TEST(BatchPlanTest, AWideRequestJoinsOnceThereIsRoomAlthoughNarrowOnesKeepComing) {
  // Eight rows busy with eight narrow requests of distinct lanes; one leaves per round, one new narrow one arrives.
  std::vector<Candidate> waiting = {{100, 8}};
  std::vector<LaneLoad> running;
  for (uint64_t lane = 0; lane < 8; ++lane) running.push_back({lane, 1});
  for (uint64_t round = 0; round < 8; ++round) {
    waiting.push_back({200 + round, 1});
    running.erase(running.begin());
    const auto free_rows = static_cast<int32_t>(8 - running.size());
    const std::vector<size_t> joined = PlanAdmissions(waiting, running, free_rows, kNoLimit);
    if (round < 7) {
      ASSERT_THAT(joined, IsEmpty());
    } else {
      ASSERT_THAT(joined, ElementsAre(0));
    }
  }
}

}  // namespace
}  // namespace trimtab
