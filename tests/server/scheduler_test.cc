#include "server/scheduler.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/field_error.h"
#include "tests/server/scheduler_fixture.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

using ::testing::ElementsAre;
using ::testing::Lt;

using SchedulerTest = SchedulerFixture;

TEST_F(SchedulerTest, AnswersOneRequestAndStreamsItsTokens) {
  Start({});
  control_.RunFreely();
  auto outcome = Submit({.first_token = 100, .tokens = 3});
  const auto& result = outcome->Await();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->generation.tokens, ElementsAre(100, 101, 102));
  EXPECT_THAT(outcome->streamed(), ElementsAre(100, 101, 102));
  EXPECT_EQ(result->cache, CacheOutcome::kMiss);
  EXPECT_EQ(Submit({.first_token = 200})->Await()->cache, CacheOutcome::kHit);
}

TEST_F(SchedulerTest, ReportsTimesThatAddUp) {
  Start({.step_time = std::chrono::milliseconds(1)});
  control_.RunFreely();
  const absl::Time start = absl::Now();
  const auto result = Submit({.first_token = 100, .tokens = 4})->Await();
  const absl::Duration whole = absl::Now() - start;
  ASSERT_TRUE(result.ok()) << result.status();
  const SummaryTimes& times = result->times;
  EXPECT_GE(times.mix, absl::ZeroDuration());
  EXPECT_GE(times.queue, absl::ZeroDuration());
  EXPECT_GE(times.encode, absl::Milliseconds(1));
  EXPECT_GE(times.decode, absl::Milliseconds(4));
  EXPECT_GE(times.first_token, times.mix + times.queue + times.encode);
  EXPECT_LE(times.first_token, times.mix + times.queue + times.encode + times.decode);
  EXPECT_LE(times.mix + times.queue + times.encode + times.decode, whole);
}

TEST_F(SchedulerTest, BeamsSpeakAtTheEnd) {
  Start({});
  control_.RunFreely();
  auto outcome = Submit({.first_token = 100, .tokens = 3, .beams = 4});
  const auto& result = outcome->Await();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->generation.tokens.size(), 3u);
  EXPECT_TRUE(outcome->streamed().empty());
  EXPECT_EQ(metrics_.generated_tokens.Value(), 3);
}

TEST_F(SchedulerTest, ARequestJoinsWhileAnotherIsBeingWritten) {
  Start({});
  auto first = Submit({.first_token = 100, .tokens = 10});
  control_.AllowSteps(3);  // Encoded, two tokens.
  auto second = Submit({.first_token = 200, .tokens = 2});
  control_.AllowSteps(5);
  EXPECT_THAT(second->Await()->generation.tokens, ElementsAre(200, 201));
  EXPECT_FALSE(first->ended());
  EXPECT_THAT(first->streamed().size(), Lt(10u));
  control_.RunFreely();
  EXPECT_TRUE(first->Await().ok());
}

TEST_F(SchedulerTest, CancelsWhileWaitingForAPlace) {
  Start({.rows = 1, .step_time = std::chrono::microseconds(100)});
  control_.RunFreely();
  auto endless = Submit({.first_token = 100, .tokens = kEndless});
  AwaitRunning(1);
  auto waits = Submit({.first_token = 200});
  scheduler_->Cancel(waits->id());
  EXPECT_TRUE(absl::IsCancelled(waits->Await().status()));
  EXPECT_FALSE(endless->ended());
  EXPECT_THAT(control_.admitted(), ElementsAre(100));
}

TEST_F(SchedulerTest, CancelsWhileRunningAndFreesThePlace) {
  Start({.rows = 1, .step_time = std::chrono::microseconds(100)});
  control_.RunFreely();
  auto endless = Submit({.first_token = 100, .tokens = kEndless});
  ASSERT_TRUE(Eventually([&] { return !endless->streamed().empty(); }));
  scheduler_->Cancel(endless->id());
  EXPECT_TRUE(absl::IsCancelled(endless->Await().status()));
  EXPECT_EQ(metrics_.cancelled_decoding.Value(), 1);
  EXPECT_TRUE(Submit({.first_token = 200})->Await().ok());
  EXPECT_EQ(control_.cancelled(), 1);
}

TEST_F(SchedulerTest, ARequestCancelledWhileItIsEncodedLetsGoOfItsWeights) {
  Start({.encode_steps = 3}, /*max_queue_length=*/256, /*mixtures=*/1);
  auto cancelled = Submit({.first_token = 100, .key = 1});
  control_.AllowSteps(1);
  scheduler_->Cancel(cancelled->id());
  control_.RunFreely();
  EXPECT_TRUE(absl::IsCancelled(cancelled->Await().status()));
  EXPECT_TRUE(Eventually([&] { return cache_->Acquire(parameters_, KeyNumber(2)).ok(); })) << "they are still pinned";
}

TEST_F(SchedulerTest, WhoNeedsTheRoomOfACancelledEncodingWaitsForItsEnd) {
  Start({.encode_steps = 3}, /*max_queue_length=*/256, /*mixtures=*/1);
  auto cancelled = Submit({.first_token = 100, .key = 1});
  control_.AllowSteps(1);
  scheduler_->Cancel(cancelled->id());
  auto next = Submit({.first_token = 200, .key = 2});
  control_.RunFreely();
  EXPECT_TRUE(absl::IsCancelled(cancelled->Await().status()));
  EXPECT_OK(next->Await().status());
}

TEST_F(SchedulerTest, WhoIsAloneWaitsForARoomThatAMixInTheBackgroundHas) {
  Start({}, /*max_queue_length=*/256, /*mixtures=*/1);
  control_.RunFreely();
  std::shared_ptr<Outcome> alone;
  while_mixing_ = [&] {
    alone = Submit({.first_token = 100, .key = 2});
    EXPECT_TRUE(Eventually([&] { return cache_->stats().unavailable > 0; }));
  };
  cache_->Prewarm(parameters_, {KeyNumber(1)});
  cache_->AwaitBackground();
  EXPECT_OK(alone->Await().status());
}

TEST_F(SchedulerTest, CancellingWhatIsOverOrNeverWasDoesNothing) {
  Start({});
  control_.RunFreely();
  auto outcome = Submit({.first_token = 100});
  EXPECT_TRUE(outcome->Await().ok());
  scheduler_->Cancel(outcome->id());
  scheduler_->Cancel(987654);
  EXPECT_TRUE(Submit({.first_token = 200})->Await().ok());
  EXPECT_EQ(outcome->calls(), 1);
}

TEST_F(SchedulerTest, AnExpiredRequestEndsBeforeSubmitReturns) {
  Start({});
  auto outcome = Submit({.first_token = 100, .deadline = absl::Now() - absl::Seconds(1)});
  EXPECT_TRUE(outcome->ended());
  EXPECT_TRUE(absl::IsDeadlineExceeded(outcome->Await().status()));
}

TEST_F(SchedulerTest, ADeadlinePassesWhileWaitingForAPlace) {
  Start({.rows = 1, .step_time = std::chrono::microseconds(100)});
  control_.RunFreely();
  auto endless = Submit({.first_token = 100, .tokens = kEndless});
  AwaitRunning(1);
  auto waits = Submit({.first_token = 200, .deadline = absl::Now() + absl::Milliseconds(20)});
  EXPECT_TRUE(absl::IsDeadlineExceeded(waits->Await().status()));
  EXPECT_EQ(metrics_.cancelled_waiting.Value(), 1);
  EXPECT_FALSE(endless->ended());
}

TEST_F(SchedulerTest, ADeadlinePassesWhileRunning) {
  Start({.step_time = std::chrono::microseconds(100)});
  control_.RunFreely();
  auto outcome = Submit({.first_token = 100, .tokens = kEndless, .deadline = absl::Now() + absl::Milliseconds(20)});
  EXPECT_TRUE(absl::IsDeadlineExceeded(outcome->Await().status()));
  EXPECT_EQ(control_.cancelled(), 1);
  EXPECT_EQ(scheduler_->running(), 0);
}

TEST_F(SchedulerTest, TheQueueIsBounded) {
  Start({.rows = 1, .step_time = std::chrono::microseconds(100)}, /*max_queue_length=*/2);
  control_.RunFreely();
  auto endless = Submit({.first_token = 100, .tokens = kEndless});
  AwaitRunning(1);
  auto first = Submit({.first_token = 200});
  auto second = Submit({.first_token = 300});
  auto third = Submit({.first_token = 400});
  EXPECT_TRUE(third->ended());
  EXPECT_TRUE(absl::IsResourceExhausted(third->Await().status()));
  EXPECT_EQ(metrics_.rejected_queue_full.Value(), 1);
  EXPECT_EQ(scheduler_->waiting(), 2);
  scheduler_->Cancel(endless->id());
  EXPECT_TRUE(first->Await().ok());
  EXPECT_TRUE(second->Await().ok());
  EXPECT_EQ(scheduler_->waiting(), 0);
}

class SchedulerTogetherTest : public SchedulerFixture {
 protected:
  // Requests of so many different weightings, and what becomes of them.
  std::vector<Scheduler::Submission> Submissions(int count, const Ask& ask = {}) {
    std::vector<Scheduler::Submission> submissions;
    for (int i = 0; i < count; ++i) {
      auto outcome = outcomes_.emplace_back(std::make_shared<Outcome>());
      Ask one = ask;
      one.first_token += 100 * i;
      one.key = i;
      submissions.push_back({NewRequest(one), {.on_token = nullptr, .on_done = [outcome](auto result) {
                                                 outcome->Done(std::move(result));
                                               }}});
    }
    return submissions;
  }
  std::vector<std::shared_ptr<Outcome>> outcomes_;
};

TEST_F(SchedulerTogetherTest, OnePlanSeesThemAll) {
  // Over the basis four rows cost what one costs, and that is twice a dense row: alone each would run densely.
  SchedulerOptions options;
  options.costs = {.points = {{1, 1.0, 2.0}, {4, 4.0, 2.0}}, .mix = 0.0};
  Start({.rows = 4}, options, /*mixtures=*/4);
  ASSERT_OK_AND_ASSIGN(const std::vector<uint64_t> ids, scheduler_->SubmitTogether(Submissions(4, {.tokens = 2})));
  EXPECT_EQ(ids.size(), 4u);
  control_.RunFreely();
  for (const auto& outcome : outcomes_) {
    ASSERT_OK(outcome->Await().status());
    EXPECT_EQ(outcome->Await()->path, ExecutionPath::kBasis);
  }
}

TEST_F(SchedulerTogetherTest, TheQueueTakesAsManyFromTheFrontAsItHasRoomFor) {
  Start({.rows = 1}, /*max_queue_length=*/3);
  auto endless = Submit({.first_token = 100, .tokens = kEndless});
  AwaitRunning(1);
  ASSERT_OK_AND_ASSIGN(const std::vector<uint64_t> ids, scheduler_->SubmitTogether(Submissions(5)));
  EXPECT_EQ(ids.size(), 3u);
  EXPECT_EQ(scheduler_->waiting(), 3);
  EXPECT_THAT(scheduler_->SubmitTogether(Submissions(1)).status(), StatusIs(absl::StatusCode::kResourceExhausted));
  scheduler_->Cancel(ids[0]);
  scheduler_->Cancel(endless->id());
  control_.RunFreely();
  EXPECT_TRUE(absl::IsCancelled(outcomes_[0]->Await().status()));
  EXPECT_OK(outcomes_[1]->Await().status());
  EXPECT_OK(outcomes_[2]->Await().status());
  for (int i = 3; i < 6; ++i) EXPECT_EQ(outcomes_[i]->calls(), 0) << "was never submitted";
}

TEST_F(SchedulerTogetherTest, ADrainingServerTakesNoneAndCallsNobody) {
  Start({});
  scheduler_->Drain(absl::InfiniteFuture());
  EXPECT_THAT(scheduler_->SubmitTogether(Submissions(2)).status(), StatusIs(absl::StatusCode::kUnavailable));
  for (const auto& outcome : outcomes_) EXPECT_EQ(outcome->calls(), 0);
}

TEST_F(SchedulerTest, AFailedMixEndsItsRequest) {
  Start({});
  control_.RunFreely();
  mix_failure_ = true;
  EXPECT_TRUE(absl::IsInternal(Submit({.first_token = 100})->Await().status()));
  mix_failure_ = false;
  EXPECT_TRUE(Submit({.first_token = 200})->Await().ok());
}

TEST_F(SchedulerTest, WhatTheEngineRefusesEndsWithItsReason) {
  Start({});
  control_.RunFreely();
  auto outcome = Submit({.first_token = 100, .empty_input = true});
  EXPECT_TRUE(absl::IsInvalidArgument(outcome->Await().status()));
  EXPECT_TRUE(Submit({.first_token = 200})->Await().ok());
}

TEST_F(SchedulerTest, MoreBeamsThanTheBatchHasRowsAreRefusedNamingTheField) {
  Start({.rows = 4});
  auto outcome = Submit({.first_token = 100, .beams = 5});
  EXPECT_TRUE(outcome->ended());
  EXPECT_EQ(FieldOf(outcome->Await().status()), "options.num_beams");
}

TEST_F(SchedulerTest, ARequestThatFindsNoMemoryWaitsForAnotherToLeave) {
  Start({.rows = 4, .memory = 1});
  Warm(0);
  auto first = Submit({.first_token = 100, .tokens = 3});
  auto second = Submit({.first_token = 200, .tokens = 3});
  control_.AllowSteps(2);
  EXPECT_EQ(scheduler_->running(), 1);
  EXPECT_FALSE(second->ended());
  control_.RunFreely();
  EXPECT_TRUE(first->Await().ok());
  EXPECT_TRUE(second->Await().ok());
}

TEST_F(SchedulerTest, ARequestThatFindsNoMemoryInAnEmptyEngineFails) {
  Start({.rows = 4, .memory = 0});
  control_.RunFreely();
  EXPECT_TRUE(absl::IsResourceExhausted(Submit({.first_token = 100})->Await().status()));
}

TEST_F(SchedulerTest, DrainLetsAcceptedRequestsFinishAndRefusesNewOnes) {
  Start({.rows = 1});
  auto runs = Submit({.first_token = 100, .tokens = 5});
  auto waits = Submit({.first_token = 200, .tokens = 5});
  std::thread drain([&] { scheduler_->Drain(absl::InfiniteFuture()); });
  ASSERT_TRUE(Eventually([&] { return absl::IsUnavailable(Submit({.first_token = 300})->StatusNow()); }));
  EXPECT_GE(metrics_.rejected_draining.Value(), 1);
  control_.RunFreely();
  drain.join();
  EXPECT_TRUE(runs->ended());
  EXPECT_TRUE(waits->ended());
  EXPECT_TRUE(runs->Await().ok());
  EXPECT_TRUE(waits->Await().ok());
}

TEST_F(SchedulerTest, DrainEndsWhatOutlastsIt) {
  Start({.rows = 1, .step_time = std::chrono::microseconds(100)});
  control_.RunFreely();
  auto runs = Submit({.first_token = 100, .tokens = kEndless});
  AwaitRunning(1);
  auto waits = Submit({.first_token = 200});
  scheduler_->Drain(absl::Now() + absl::Milliseconds(20));
  for (const auto& outcome : {runs, waits}) {
    EXPECT_TRUE(outcome->ended());
    EXPECT_TRUE(absl::IsUnavailable(outcome->Await().status()));
  }
  scheduler_->Drain(absl::InfiniteFuture());  // Again: nothing left.
}

TEST_F(SchedulerTest, DrainWithNothingToDoReturnsAtOnce) {
  Start({});
  scheduler_->Drain(absl::InfiniteFuture());
  EXPECT_TRUE(absl::IsUnavailable(Submit({.first_token = 100})->Await().status()));
}

TEST_F(SchedulerTest, DestructionEndsRequestsOfEveryStageOnce) {
  Start({.rows = 1, .step_time = std::chrono::microseconds(100)});
  control_.RunFreely();
  auto runs = Submit({.first_token = 100, .tokens = kEndless});
  AwaitRunning(1);
  auto waits = Submit({.first_token = 200});
  scheduler_.reset();
  for (const auto& outcome : {runs, waits}) EXPECT_TRUE(absl::IsUnavailable(outcome->Await().status()));
}

TEST_F(SchedulerTest, ACallbackMaySubmitAndCancel) {
  Start({});
  control_.RunFreely();
  std::shared_ptr<Outcome> second;
  Event submitted;
  SummaryCallbacks callbacks;
  callbacks.on_done = [&](absl::StatusOr<SummaryResult>) {
    second = Submit({.first_token = 200, .tokens = kEndless});
    scheduler_->Cancel(second->id());
    submitted.Set();
  };
  scheduler_->Submit(NewRequest({.first_token = 100}), std::move(callbacks));
  submitted.Wait();
  EXPECT_TRUE(absl::IsCancelled(second->Await().status()));
}

TEST_F(SchedulerTest, WeightsOfFinishedRequestsMakeRoomForOthers) {
  Start({}, /*max_queue_length=*/256, /*mixtures=*/1);
  control_.RunFreely();
  for (int key = 0; key < 10; ++key) {
    EXPECT_TRUE(Submit({.first_token = 100, .key = key})->Await().ok()) << key;
  }
  EXPECT_LE(memory_.peak, MixedWeights::Bytes(*parameters_));
}

TEST_F(SchedulerTest, WhereTheCacheIsPinnedADeterministicRequestWaitsForAnotherToLeave) {
  Start({}, /*max_queue_length=*/256, /*mixtures=*/1);
  auto first = Submit({.first_token = 100, .tokens = 3, .key = 1});
  control_.AllowSteps(1);
  auto second = Submit({.first_token = 200, .tokens = 3, .key = 2});
  control_.AllowSteps(2);
  EXPECT_EQ(scheduler_->running(), 1);
  EXPECT_FALSE(second->ended());
  control_.RunFreely();
  EXPECT_TRUE(first->Await().ok());
  const auto& result = second->Await();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->cache, CacheOutcome::kMiss);
  EXPECT_EQ(cache_->stats().misses, 2);
}

// Reading a set takes as long as 16 rows.
StepCosts Costs() {
  StepCosts costs;
  for (const int32_t rows : {1, 16, 32}) {
    const double dense = std::max(16, rows);
    costs.points.push_back({rows, dense, 3 * dense});
  }
  return costs;
}

TEST_F(SchedulerTest, WhereTheCacheIsPinnedARequestRunsOverTheBasis) {
  Start({}, SchedulerOptions{}, /*mixtures=*/1);
  auto first = Submit({.first_token = 100, .tokens = 3, .key = 1});
  control_.AllowSteps(1);
  auto second = Submit({.first_token = 200, .tokens = 3, .key = 2});
  control_.AllowSteps(2);
  EXPECT_EQ(scheduler_->running(), 2);
  control_.RunFreely();
  EXPECT_EQ(first->Await()->path, ExecutionPath::kDense);
  EXPECT_EQ(second->Await()->path, ExecutionPath::kBasis);
  EXPECT_EQ(second->Await()->cache, CacheOutcome::kBasis);
}

TEST_F(SchedulerTest, ManyWeightingsAtOnceRunOverTheBasisAndOneAloneDoesNot) {
  Start({.rows = 16, .step_time = std::chrono::milliseconds(5)}, SchedulerOptions{.costs = Costs()}, /*mixtures=*/100);
  control_.RunFreely();
  EXPECT_EQ(Submit({.first_token = 100, .key = 99})->Await()->path, ExecutionPath::kDense);
  std::vector<std::shared_ptr<Outcome>> outcomes;
  for (int i = 0; i < 12; ++i) outcomes.push_back(Submit({.first_token = 100, .tokens = 20, .key = i}));
  int basis = 0;
  for (const auto& outcome : outcomes) basis += outcome->Await()->path == ExecutionPath::kBasis;
  EXPECT_GE(basis, 8);  // The first few came before the others were there.
  EXPECT_EQ(cache_->stats().basis, basis);
}

TEST_F(SchedulerTest, AnAskedPathIsKept) {
  Start({}, SchedulerOptions{.costs = Costs()}, /*mixtures=*/4);
  control_.RunFreely();
  EXPECT_EQ(Submit({.first_token = 100, .path = ExecutionPath::kBasis})->Await()->path, ExecutionPath::kBasis);
  EXPECT_EQ(Submit({.first_token = 100, .path = ExecutionPath::kDense})->Await()->path, ExecutionPath::kDense);
}

TEST_F(SchedulerTest, ATricklingLaneOvertakesAFloodingOne) {
  Start({.rows = 4});
  Warm(1);
  Warm(2);
  std::vector<std::shared_ptr<Outcome>> flood;
  for (int i = 0; i < 40; ++i) flood.push_back(Submit({.first_token = 1000 + i, .tokens = 2 + i % 4, .key = 1}));
  control_.AllowSteps(1);
  AwaitRunning(4);
  auto trickle = Submit({.first_token = 7, .tokens = 2, .key = 2});
  control_.RunFreely();
  EXPECT_TRUE(trickle->Await().ok());
  for (const auto& outcome : flood) EXPECT_TRUE(outcome->Await().ok());
  const std::vector<int32_t> admitted = control_.admitted();
  ASSERT_EQ(admitted.size(), 43u);
  EXPECT_EQ(admitted[6], 7);  // Two to warm up, four of the flood, then the first place that came free.
}

TEST_F(SchedulerTest, MetricsFollowTheRequests) {
  Start({.rows = 4});
  Warm(1);
  Warm(2);
  auto first = Submit({.first_token = 100, .tokens = 4, .key = 1});
  auto second = Submit({.first_token = 200, .tokens = 4, .key = 2});
  control_.AllowSteps(3);
  EXPECT_EQ(metrics_.requests_running.Value(), 2);
  EXPECT_EQ(metrics_.requests_waiting.Value(), 0);
  EXPECT_EQ(metrics_.requests_waiting_limit.Value(), SchedulerOptions().max_queue_length);
  control_.RunFreely();
  EXPECT_TRUE(first->Await().ok());
  EXPECT_TRUE(second->Await().ok());
  scheduler_.reset();
  EXPECT_EQ(metrics_.requests_running.Value(), 0);
  EXPECT_EQ(metrics_.prompt_tokens.Value(), 4);
  EXPECT_EQ(metrics_.generated_tokens.Value(), 10);
  EXPECT_GE(metrics_.encode_steps.Value(), 1);
  EXPECT_GE(metrics_.decode_steps.Value(), 4);
  EXPECT_EQ(metrics_.time_to_first_token.Collect().histogram.sample_count, 4u);
  EXPECT_EQ(metrics_.time_per_output_token.Collect().histogram.sample_count, 4u);
  EXPECT_EQ(metrics_.batch_lanes.Collect().histogram.sample_count, metrics_.decode_steps.Value());
}

}  // namespace
}  // namespace trimtab
