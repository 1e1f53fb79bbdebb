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
constexpr int kPlaces = 40;  // Of the queue.

class SchedulerFairnessTest : public SchedulerFixture {
 protected:
  // Submits requests of the flooding key until one is refused.
  void Flood(int32_t tokens) {
    while (true) {
      const auto outcome = Submit({.first_token = 1, .tokens = tokens, .key = kFlood});
      if (outcome->ended() && absl::IsResourceExhausted(outcome->Await().status())) return;
      flood_.push_back(outcome);
    }
  }
  // How many of the flood were taken in and displaced. REQUIRES: nothing runs or waits any more.
  int Displaced() {
    int displaced = 0;
    for (const auto& outcome : flood_) {
      displaced += absl::IsResourceExhausted(outcome->Await().status());
      EXPECT_TRUE(outcome->Await().ok() || absl::IsResourceExhausted(outcome->Await().status()));
    }
    return displaced;
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
  EXPECT_GT(static_cast<int>(flood_.size()) - Displaced(), static_cast<int>(trickled.size()))
      << "the flood gets what the others leave";
}

TEST_F(SchedulerFairnessTest, InAFullQueueTheYoungestOfTheFloodGiveTheirPlacesToOthers) {
  Start({.rows = 1}, kPlaces, /*mixtures=*/kOthers + 2);
  auto runs = Submit({.first_token = 1, .tokens = kEndless, .key = kOthers + 1});
  AwaitRunning(1);
  Flood(/*tokens=*/1);
  ASSERT_EQ(flood_.size(), size_t{kPlaces});
  std::vector<std::shared_ptr<Outcome>> others;
  for (int other = 0; other < kOthers; ++other) {
    others.push_back(Submit({.first_token = 1, .tokens = 1, .key = 1 + other}));
    EXPECT_FALSE(others.back()->ended());
  }
  Flood(/*tokens=*/1);
  EXPECT_EQ(flood_.size(), size_t{kPlaces}) << "the flood displaces nobody";
  EXPECT_EQ(scheduler_->waiting(), kPlaces);
  control_.AllowSteps(2);  // Between two steps those displaced are told.
  for (int i = 0; i < kPlaces; ++i) EXPECT_EQ(flood_[i]->ended(), i >= kPlaces - kOthers) << i;
  EXPECT_EQ(metrics_.rejected_displaced.Value(), kOthers);
  EXPECT_EQ(metrics_.rejected_queue_full.Value(), 2);
  EXPECT_EQ(scheduler_->waiting(), kPlaces);
  scheduler_->Cancel(runs->id());
  control_.RunFreely();
  EXPECT_TRUE(absl::IsCancelled(runs->Await().status()));
  for (const auto& outcome : others) EXPECT_TRUE(outcome->Await().ok());
  EXPECT_EQ(Displaced(), kOthers);
}

TEST_F(SchedulerFairnessTest, WhoWouldBeRefusedCanBeToldBeforeTheRequestIsMade) {
  Start({.rows = 1}, kPlaces, /*mixtures=*/2);
  const auto room = [this](int key) { return scheduler_->CheckRoom(*parameters_, KeyNumber(key)); };
  EXPECT_TRUE(room(kFlood).ok());
  auto runs = Submit({.first_token = 1, .tokens = kEndless, .key = 1});
  AwaitRunning(1);
  Flood(/*tokens=*/1);
  EXPECT_TRUE(absl::IsResourceExhausted(room(kFlood)));
  EXPECT_EQ(metrics_.rejected_queue_full.Value(), 2) << "with the one that ended the flood";
  EXPECT_TRUE(room(1).ok()) << "it would displace one of the flood";
  EXPECT_EQ(metrics_.rejected_displaced.Value(), 0) << "but has not";
  EXPECT_EQ(scheduler_->waiting(), kPlaces);
  control_.RunFreely();
  scheduler_->Drain(absl::InfinitePast());
  EXPECT_TRUE(absl::IsUnavailable(room(1)));
  EXPECT_EQ(metrics_.rejected_draining.Value(), 1);
  EXPECT_TRUE(absl::IsUnavailable(runs->Await().status()));
  for (const auto& outcome : flood_) EXPECT_TRUE(absl::IsUnavailable(outcome->Await().status()));
}

TEST_F(SchedulerFairnessTest, WhoHasSettledKeepsItsPlaceUnlessItsLaneHoldsMoreThanHalfOfThem) {
  Start({.rows = 1}, {.max_queue_length = 4, .settled_after = absl::ZeroDuration(), .deterministic = true},
        /*mixtures=*/2);
  auto runs = Submit({.first_token = 1, .tokens = kEndless, .key = 1});
  AwaitRunning(1);
  Flood(/*tokens=*/1);
  std::vector<std::shared_ptr<Outcome>> others;
  for (int key = 2; key < 6; ++key) others.push_back(Submit({.first_token = 1, .tokens = 1, .key = key}));
  EXPECT_FALSE(others[0]->ended());
  EXPECT_FALSE(others[1]->ended());
  EXPECT_TRUE(absl::IsResourceExhausted(others[2]->StatusNow())) << "the flood is down to half of the places";
  EXPECT_TRUE(absl::IsResourceExhausted(others[3]->StatusNow()));
  EXPECT_EQ(metrics_.rejected_displaced.Value(), 2);
  scheduler_->Cancel(runs->id());
  control_.RunFreely();
  EXPECT_TRUE(absl::IsCancelled(runs->Await().status()));
  EXPECT_EQ(Displaced(), 2);
}

TEST_F(SchedulerFairnessTest, WhoLeavesTheQueueGivesItsPlaceBack) {
  Start({.rows = 1}, kPlaces, /*mixtures=*/2);
  auto runs = Submit({.first_token = 1, .tokens = kEndless, .key = 1});
  AwaitRunning(1);
  Flood(/*tokens=*/1);
  for (int i = 0; i < 3; ++i) scheduler_->Cancel(flood_[i]->id());
  control_.AllowSteps(2);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(absl::IsCancelled(flood_[i]->StatusNow()));
  Flood(/*tokens=*/1);
  EXPECT_EQ(flood_.size(), size_t{kPlaces} + 3);
  scheduler_->Cancel(runs->id());
  control_.RunFreely();
  EXPECT_TRUE(absl::IsCancelled(runs->Await().status()));
}

TEST_F(SchedulerFairnessTest, NewcomersOfManyWeightingsDisplaceABoundedNumberBetweenTwoSteps) {
  Start({.rows = 1}, /*max_queue_length=*/4, /*mixtures=*/2);
  auto runs = Submit({.first_token = 1, .tokens = kEndless, .key = 1});
  AwaitRunning(1);
  Flood(/*tokens=*/1);
  int taken = 0;
  for (int key = 2; key < 20; ++key) taken += !Submit({.first_token = 1, .tokens = 1, .key = key})->ended();
  EXPECT_EQ(taken, 3) << "until each place is of another weighting";
  EXPECT_EQ(scheduler_->waiting(), 4);
  control_.RunFreely();
  scheduler_.reset();
  EXPECT_EQ(runs->calls(), 1);
  for (const auto& outcome : flood_) EXPECT_EQ(outcome->calls(), 1);
}

TEST_F(SchedulerFairnessTest, AFloodKeepsToTheRowsThatOthersCanBearWhileTheyAreAbout) {
  StepCosts costs;
  costs.points = {{1, 1.0, 3.0}, {16, 4.0, 12.0}};  // Six rows take twice as long as one.
  ASSERT_EQ(costs.RowsWithin(2.0), 6);
  Start({.rows = 16}, {.max_queue_length = kPlaces, .deterministic = true, .fair_slowdown = 2.0, .costs = costs},
        /*mixtures=*/3);
  auto other = Submit({.first_token = 1, .tokens = kEndless, .key = 1});
  AwaitRunning(1);
  Flood(kEndless);
  control_.AllowSteps(3);
  AwaitRunning(7);
  EXPECT_EQ(scheduler_->running(), 7) << "six of the flood beside the other";
  scheduler_->Cancel(other->id());
  for (const auto& outcome : flood_) scheduler_->Cancel(outcome->id());
  control_.RunFreely();
  EXPECT_TRUE(absl::IsCancelled(other->Await().status()));
}

TEST_F(SchedulerFairnessTest, AFloodAloneFillsTheBatch) {
  StepCosts costs;
  costs.points = {{1, 1.0, 3.0}, {16, 4.0, 12.0}};
  Start({.rows = 16}, {.max_queue_length = kPlaces, .deterministic = true, .fair_slowdown = 2.0, .costs = costs},
        /*mixtures=*/3);
  Flood(kEndless);
  control_.AllowSteps(3);
  AwaitRunning(16);
  for (const auto& outcome : flood_) scheduler_->Cancel(outcome->id());
  control_.RunFreely();
}

}  // namespace
}  // namespace trimtab
