// A scheduler over a fake engine and a cache of fake mixtures, and what became of each request.
#ifndef TRIMTAB_TESTS_SERVER_SCHEDULER_FIXTURE_H_
#define TRIMTAB_TESTS_SERVER_SCHEDULER_FIXTURE_H_

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "prometheus/registry.h"
#include "server/mixed_weight_cache.h"
#include "server/scheduler.h"
#include "tests/server/event.h"
#include "tests/server/fake_engine.h"
#include "tests/server/fake_model.h"

namespace trimtab {

inline constexpr int kEndless = 1 << 30;  // Tokens nobody waits for.

// Records what a request's callbacks were told. Thread-safe.
class Outcome {
 public:
  void set_id(uint64_t id) { id_ = id; }
  uint64_t id() const { return id_; }

  void AddToken(int32_t token) {
    MutexLock lock(mutex_);
    EXPECT_EQ(calls_, 0) << "a token after the end";
    tokens_.push_back(token);
  }
  void Done(absl::StatusOr<SummaryResult> result) {
    MutexLock lock(mutex_);
    if (++calls_ == 1) result_ = std::move(result);
    done_.Set();
  }
  const absl::StatusOr<SummaryResult>& Await() {
    done_.Wait();
    MutexLock lock(mutex_);
    return result_;  // Never written again.
  }
  // Unknown while the request is not over.
  absl::Status StatusNow() { return ended() ? Await().status() : absl::UnknownError("not over"); }
  bool ended() { return done_.IsSet(); }
  int calls() {
    MutexLock lock(mutex_);
    return calls_;
  }
  std::vector<int32_t> streamed() {
    MutexLock lock(mutex_);
    return tokens_;
  }

 private:
  std::atomic<uint64_t> id_ = 0;
  Event done_;
  Mutex mutex_;
  std::vector<int32_t> tokens_ ABSL_GUARDED_BY(mutex_);
  absl::StatusOr<SummaryResult> result_ ABSL_GUARDED_BY(mutex_) = absl::UnknownError("not over");
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;
};

struct Ask {
  int32_t first_token = 0;
  int32_t tokens = 1;
  int32_t beams = 1;
  int key = 0;
  absl::Time deadline = absl::InfiniteFuture();
  bool empty_input = false;
  std::optional<ExecutionPath> path = std::nullopt;
};

class SchedulerFixture : public ::testing::Test {
 protected:
  void Start(const FakeEngine::Limits& limits, int max_queue_length = 256, int mixtures = 4) {
    Start(limits,
          SchedulerOptions{
              .max_queue_length = max_queue_length, .settled_after = absl::InfiniteDuration(), .deterministic = true},
          mixtures);
  }
  void Start(const FakeEngine::Limits& limits, const SchedulerOptions& scheduling, int mixtures) {
    const MixedWeightCache::Options options{.byte_budget = mixtures * MixedWeights::Bytes(*parameters_)};
    cache_ = std::make_unique<MixedWeightCache>(
        options,
        [this](const auto& parameters, const auto&,
               MixTime when) -> absl::StatusOr<std::shared_ptr<const MixedWeights>> {
          if (mix_failure_) return absl::InternalError("the mix failed");
          if (when == MixTime::kNow && while_mixing_) while_mixing_();
          return memory_.Make(*parameters, when);
        },
        &metrics_);
    scheduler_ = std::make_unique<Scheduler>(scheduling, std::make_unique<FakeEngine>(limits, &control_), cache_.get(),
                                             &metrics_);
  }

  void TearDown() override {
    control_.RunFreely();
    scheduler_.reset();
    cache_.reset();
    EXPECT_EQ(memory_.live, 0) << "weights leaked";
  }

  SummaryRequest NewRequest(const Ask& ask) const {
    SummaryRequest request{{}, parameters_, KeyNumber(ask.key), {}, ask.deadline, ask.path};
    if (!ask.empty_input) request.input_ids = {ask.first_token};
    request.options.max_new_tokens = ask.tokens;
    request.options.num_beams = ask.beams;
    return request;
  }

  std::shared_ptr<Outcome> Submit(const Ask& ask) {
    auto outcome = std::make_shared<Outcome>();
    SummaryCallbacks callbacks;
    callbacks.on_token = [outcome](int32_t token) { outcome->AddToken(token); };
    callbacks.on_done = [outcome](absl::StatusOr<SummaryResult> result) { outcome->Done(std::move(result)); };
    outcome->set_id(scheduler_->Submit(NewRequest(ask), std::move(callbacks)));
    return outcome;
  }

  void AwaitRunning(int count) {
    ASSERT_TRUE(Eventually([&] { return scheduler_->running() == count; }));
  }
  // Makes the mixture of `key`. REQUIRES: the engine is idle and does not run freely.
  void Warm(int key) {
    auto outcome = Submit({.first_token = 1, .tokens = 1, .key = key});
    control_.AllowSteps(2);
    ASSERT_TRUE(outcome->Await().ok());
  }

  prometheus::Registry registry_;
  Metrics metrics_{registry_};
  FakeMemory memory_;
  EngineControl control_;
  std::atomic<bool> mix_failure_ = false;
  std::function<void()> while_mixing_;  // Called by mixes that no request waits for.
  const std::shared_ptr<const Parameters> parameters_ = MakeParameters(1);
  std::unique_ptr<MixedWeightCache> cache_;
  std::unique_ptr<Scheduler> scheduler_;
};

}  // namespace trimtab

#endif  // TRIMTAB_TESTS_SERVER_SCHEDULER_FIXTURE_H_
