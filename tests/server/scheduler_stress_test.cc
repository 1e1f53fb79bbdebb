#include <atomic>
#include <memory>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/server/scheduler_fixture.h"

namespace trimtab {
namespace {

struct Submitted {
  Ask ask;
  std::shared_ptr<Outcome> outcome;
};

class SchedulerStressTest : public SchedulerFixture {
 protected:
  static Ask RandomAsk(std::minstd_rand& random, int number) {
    Ask ask;
    ask.first_token = number * 1000;
    ask.tokens = static_cast<int32_t>(1 + random() % 20);
    ask.beams = random() % 5 == 0 ? static_cast<int32_t>(1 + random() % 6) : 1;  // 5 and 6 are too many.
    ask.key = static_cast<int>(random() % 8);
    ask.empty_input = random() % 50 == 0;
    if (random() % 3 == 0) ask.path = random() % 2 == 0 ? ExecutionPath::kDense : ExecutionPath::kBasis;
    if (random() % 4 == 0) ask.deadline = absl::Now() + absl::Microseconds(static_cast<int>(random() % 8000) - 500);
    return ask;
  }

  // What one client does: submits, and cancels some of it, now or later.
  std::vector<Submitted> Client(int seed, int requests) {
    std::minstd_rand random(static_cast<uint32_t>(seed));
    std::vector<Submitted> all;
    for (int i = 0; i < requests; ++i) {
      const Ask ask = RandomAsk(random, seed * requests + i);
      all.push_back({ask, Submit(ask)});
      if (random() % 6 == 0) scheduler_->Cancel(all[random() % all.size()].outcome->id());
      if (random() % 3 == 0) all.back().outcome->Await();
      mix_failure_ = random() % 10 == 0;
    }
    return all;
  }

  static void ExpectLegalEnd(const Submitted& submitted) {
    static const auto& legal = *new std::set<absl::StatusCode>{
        absl::StatusCode::kOk,          absl::StatusCode::kCancelled,         absl::StatusCode::kDeadlineExceeded,
        absl::StatusCode::kUnavailable, absl::StatusCode::kResourceExhausted, absl::StatusCode::kInvalidArgument,
        absl::StatusCode::kInternal};
    ASSERT_EQ(submitted.outcome->calls(), 1);
    const auto& result = submitted.outcome->Await();
    EXPECT_TRUE(legal.contains(result.status().code())) << result.status();
    if (!result.ok()) return;
    std::vector<int32_t> expected;
    for (int32_t t = 0; t < submitted.ask.tokens; ++t) expected.push_back(submitted.ask.first_token + t);
    EXPECT_EQ(result->generation.tokens, expected);
    if (submitted.ask.beams == 1) {
      EXPECT_EQ(submitted.outcome->streamed(), expected);
    }
  }
};

TEST_F(SchedulerStressTest, EveryRequestEndsExactlyOnceWhateverHappens) {
  constexpr int kClients = 4;
  constexpr int kRequests = 150;
  Start({.rows = 4, .memory = 3, .step_time = std::chrono::microseconds(20)}, /*max_queue_length=*/24, /*mixtures=*/3);
  control_.RunFreely();
  std::vector<std::vector<Submitted>> submitted(kClients);
  std::vector<std::thread> clients;
  for (int c = 0; c < kClients; ++c) {
    clients.emplace_back([&, c] { submitted[c] = Client(c + 1, kRequests); });
  }
  for (std::thread& client : clients) client.join();
  scheduler_->Drain(absl::Now() + absl::Milliseconds(5));
  int answered = 0;
  for (const auto& client : submitted) {
    for (const Submitted& one : client) {
      ExpectLegalEnd(one);
      answered += one.outcome->Await().ok();
    }
  }
  EXPECT_GT(answered, kClients * kRequests / 20);
  EXPECT_EQ(scheduler_->waiting(), 0);
  EXPECT_EQ(scheduler_->running(), 0);
  EXPECT_LE(memory_.peak, 3 * MixedWeights::Bytes(*parameters_));
}

TEST_F(SchedulerStressTest, DestructionUnderLoadEndsEveryRequestOnce) {
  for (int round = 0; round < 20; ++round) {
    Start({.rows = 2, .step_time = std::chrono::microseconds(20)}, /*max_queue_length=*/64, /*mixtures=*/2);
    control_.RunFreely();
    std::minstd_rand random(static_cast<uint32_t>(round + 1));
    std::vector<Submitted> all;
    for (int i = 0; i < 20; ++i) {
      const Ask ask = RandomAsk(random, i);
      all.push_back({ask, Submit(ask)});
    }
    scheduler_.reset();
    cache_.reset();
    for (const Submitted& one : all) ExpectLegalEnd(one);
  }
}

}  // namespace
}  // namespace trimtab
