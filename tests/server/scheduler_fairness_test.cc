// One weighting floods, others trickle.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/scheduler_fixture.h"

namespace trimtab {
namespace {

constexpr int kFlood = 0;  // The key that floods; those of the others follow.
constexpr int kOthers = 9;
constexpr int kPlaces = 50, kShare = 40;  // Of the queue, and what one lane takes of them.

class SchedulerFairnessTest : public SchedulerFixture {
 protected:
  // Submits requests of the flooding key until one is refused; says how many were not.
  int Flood(int32_t tokens) {
    for (int taken = 0;; ++taken) {
      const auto outcome = Submit({.first_token = 1, .tokens = tokens, .key = kFlood});
      if (outcome->ended() && absl::IsResourceExhausted(outcome->Await().status())) return taken;
      flood_.push_back(outcome);
    }
  }

  std::vector<std::shared_ptr<Outcome>> flood_;
};

TEST_F(SchedulerFairnessTest, WhileOneWeightingFloodsNoOtherWaitsLongerThanARunningRequestTakes) {
  constexpr int kFloodTokens = 5, kSteps = 200;
  Start({.rows = 12}, kPlaces, /*mixtures=*/kOthers + 1);
  struct Trickle {
    int after = 0;  // Steps before it was submitted.
    std::shared_ptr<Outcome> outcome;
  };
  std::vector<Trickle> trickled;
  std::vector<std::shared_ptr<Outcome>> last(kOthers);
  Flood(kFloodTokens);
  for (int step = 0; step < kSteps; ++step) {
    control_.AllowSteps(1);
    Flood(kFloodTokens);
    for (int other = 0; other < kOthers; ++other) {
      const bool due = step % (3 + other) == 0 && (last[other] == nullptr || last[other]->ended());
      if (!due) continue;
      const auto first_token = static_cast<int32_t>(1000 * (trickled.size() + 1));
      trickled.push_back({control_.steps(), Submit({.first_token = first_token, .tokens = 2, .key = 1 + other})});
      last[other] = trickled.back().outcome;
    }
  }
  control_.RunFreely();
  ASSERT_GT(trickled.size(), 100u);
  for (size_t i = 0; i < trickled.size(); ++i) {
    ASSERT_TRUE(trickled[i].outcome->Await().ok()) << trickled[i].outcome->Await().status();
    const int waited = control_.admitted_after(static_cast<int32_t>(1000 * (i + 1))) - trickled[i].after;
    // A flooding request takes a step to encode and one per token; the step at hand may have been planned before.
    EXPECT_LE(waited, 1 + kFloodTokens + 1) << "request " << i;
  }
  for (const auto& outcome : flood_) EXPECT_TRUE(outcome->Await().ok());
  EXPECT_GT(flood_.size(), trickled.size()) << "the flood gets what the others leave";
}

TEST_F(SchedulerFairnessTest, AFloodedQueueKeepsPlacesForOtherWeightings) {
  Start({.rows = 1}, kPlaces, /*mixtures=*/kOthers + 2);
  auto runs = Submit({.first_token = 1, .tokens = 3, .key = kOthers + 1});
  AwaitRunning(1);
  EXPECT_EQ(Flood(/*tokens=*/1), kShare);
  EXPECT_EQ(metrics_.rejected_lane_full.Value(), 1);
  EXPECT_EQ(metrics_.rejected_queue_full.Value(), 0);
  std::vector<std::shared_ptr<Outcome>> others;
  for (int other = 0; other < kOthers; ++other) {
    others.push_back(Submit({.first_token = 1, .tokens = 1, .key = 1 + other}));
    EXPECT_FALSE(others.back()->ended());
  }
  EXPECT_EQ(Flood(/*tokens=*/1), 0);
  EXPECT_EQ(scheduler_->waiting(), kShare + kOthers);
  control_.RunFreely();
  EXPECT_TRUE(runs->Await().ok());
  for (const auto& outcome : others) EXPECT_TRUE(outcome->Await().ok());
  for (const auto& outcome : flood_) EXPECT_TRUE(outcome->Await().ok());
}

TEST_F(SchedulerFairnessTest, WhoLeavesTheQueueGivesItsPlaceBackToItsWeighting) {
  Start({.rows = 1}, kPlaces, /*mixtures=*/2);
  auto runs = Submit({.first_token = 1, .tokens = kEndless, .key = 1});
  AwaitRunning(1);
  EXPECT_EQ(Flood(/*tokens=*/1), kShare);
  for (int i = 0; i < 3; ++i) scheduler_->Cancel(flood_[i]->id());
  control_.AllowSteps(2);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(absl::IsCancelled(flood_[i]->Await().status()));
  EXPECT_EQ(Flood(/*tokens=*/1), 3);
  scheduler_->Cancel(runs->id());
  control_.RunFreely();
  EXPECT_TRUE(absl::IsCancelled(runs->Await().status()));
}

}  // namespace
}  // namespace trimtab
