#include "server/memory_plan.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

// About a small T5 with three sets.
MemoryNeeds Small() {
  return {.fixed = 20 * kMiB,
          .row = 1 * kMiB,
          .rows = 32,
          .article = 3 * kMiB,
          .mixture = 10 * kMiB,
          .mixtures = 100,
          .readers = 16,
          .packed = 60 * kMiB,
          .staged = 80 * kMiB};
}

int64_t Promised(const MemoryPlan& plan, const MemoryNeeds& needs) {
  return plan.buffers + plan.requests + plan.readers * kReadBytes + (plan.versions ? needs.staged : 0);
}

TEST(MemoryPlanTest, WhereThereIsPlentyAllGetWhatTheyAskFor) {
  const MemoryPlan plan = PlanMemory(int64_t{64} << 30, Small()).value();
  EXPECT_EQ(plan.rows, 32);
  EXPECT_EQ(plan.mixtures, 100);
  EXPECT_EQ(plan.readers, 16);
  EXPECT_TRUE(plan.versions);
  EXPECT_GE(plan.requests, 1024 * kCallBytes);
  EXPECT_EQ(plan.buffers, (20 + 32 + 32 * 3 + 100 * 10 + 60) * kMiB);
}

TEST(MemoryPlanTest, NeverPromisesMoreThanThereIsAndKeepsAMargin) {
  for (int64_t room = 40 * kMiB; room < 4096 * kMiB; room += 7 * kMiB) {
    const auto plan = PlanMemory(room, Small());
    if (!plan.ok()) continue;
    EXPECT_LE(Promised(*plan, Small()), room - room / 8) << room;
    EXPECT_LE(Promised(*plan, Small()), room - 8 * kMiB) << room;
  }
}

TEST(MemoryPlanTest, MoreRoomTakesNothingAway) {
  MemoryPlan before;
  before.rows = 0;
  for (int64_t room = 40 * kMiB; room < 4096 * kMiB; room += 7 * kMiB) {
    const auto plan = PlanMemory(room, Small());
    if (!plan.ok()) continue;
    EXPECT_GE(plan->rows, before.rows) << room;
    EXPECT_GE(plan->requests, before.requests) << room;
    EXPECT_GE(plan->readers, before.readers) << room;
    EXPECT_GE(plan->versions, before.versions) << room;
    before = *plan;
  }
  EXPECT_EQ(before.rows, 32);
}

TEST(MemoryPlanTest, TheLeastIsOneRequestAtATimeAndLessIsRefusedWithFigures) {
  const int64_t least = (20 + 1 + 3 + 10 + 8) * kMiB + kReadBytes + 16 * kCallBytes;
  const MemoryPlan plan = PlanMemory(least, Small()).value();
  EXPECT_EQ(plan.rows, 1);
  EXPECT_EQ(plan.mixtures, 1);
  EXPECT_EQ(plan.readers, 1);
  EXPECT_EQ(plan.requests, 16 * kCallBytes);
  EXPECT_FALSE(plan.versions);
  const auto refused = PlanMemory(least - 1, Small());
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(std::string(refused.status().message()), testing::HasSubstr(std::to_string(least)));
  EXPECT_THAT(PlanMemory(-5, Small()), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(MemoryPlanTest, AVersionIsTakenWholeOrNotAtAll) {
  MemoryNeeds needs = Small();
  needs.staged = int64_t{10} << 30;
  const MemoryPlan without = PlanMemory(int64_t{4} << 30, needs).value();
  EXPECT_FALSE(without.versions);
  EXPECT_EQ(without.buffers, (20 + 32 + 32 * 3 + 100 * 10) * kMiB);
}

TEST(MemoryPlanTest, WhatADeviceHoldsTakesNothing) {
  MemoryNeeds needs;
  needs.rows = 32;
  needs.mixtures = 7;
  const MemoryPlan plan = PlanMemory(64 * kMiB, needs).value();
  EXPECT_EQ(plan.rows, 32);
  EXPECT_EQ(plan.mixtures, 7);
  EXPECT_EQ(plan.buffers, 0);
}

}  // namespace
}  // namespace trimtab
