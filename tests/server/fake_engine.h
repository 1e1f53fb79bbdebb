// An engine that obeys: some steps to encode, then one token per step until max_new_tokens.
#ifndef TRIMTAB_TESTS_SERVER_FAKE_ENGINE_H_
#define TRIMTAB_TESTS_SERVER_FAKE_ENGINE_H_

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "model/engine.h"
#include "server/mutex.h"

namespace trimtab {

// The test's hand on a FakeEngine; must outlive it. Thread-safe.
class EngineControl {
 public:
  // Until this is called, every step waits to be allowed.
  void RunFreely() {
    MutexLock lock(mutex_);
    free_ = true;
    changed_.NotifyAll();
  }
  // Returns when `steps` more steps were made. REQUIRES: the engine has enough to do.
  void AllowSteps(int steps) {
    MutexLock lock(mutex_);
    allowed_ += steps;
    changed_.NotifyAll();
    while (allowed_ > 0) changed_.Wait(mutex_);
  }
  // The first token of every request, in order of admission.
  std::vector<int32_t> admitted() {
    MutexLock lock(mutex_);
    return admitted_;
  }
  // Steps made so far.
  int steps() {
    MutexLock lock(mutex_);
    return steps_;
  }
  // How many steps were made before the request with this first token was admitted; -1: it was not.
  int admitted_after(int32_t first_token) {
    MutexLock lock(mutex_);
    const auto found = std::find(admitted_.begin(), admitted_.end(), first_token);
    return found == admitted_.end() ? -1 : admitted_after_[found - admitted_.begin()];
  }
  int cancelled() {
    MutexLock lock(mutex_);
    return cancelled_;
  }

 private:
  friend class FakeEngine;
  void AwaitStep() {
    MutexLock lock(mutex_);
    while (!free_ && allowed_ == 0) changed_.Wait(mutex_);
  }
  void StepMade() {
    MutexLock lock(mutex_);
    ++steps_;
    if (allowed_ > 0) --allowed_;
    changed_.NotifyAll();
  }

  Mutex mutex_;
  CondVar changed_;
  bool free_ ABSL_GUARDED_BY(mutex_) = false;
  int allowed_ ABSL_GUARDED_BY(mutex_) = 0;
  int steps_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<int32_t> admitted_ ABSL_GUARDED_BY(mutex_);
  std::vector<int> admitted_after_ ABSL_GUARDED_BY(mutex_);  // Steps.
  int cancelled_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Token t of a request is input_ids[0] + t, so a test knows whose it is.
class FakeEngine : public Engine {
 public:
  struct Limits {
    int32_t rows = 4;
    size_t memory = 1000;  // Requests that fit; one more is ResourceExhausted.
    std::chrono::microseconds step_time{0};
    int encode_steps = 1;  // Begun, they are made though the request is cancelled, on its weights.
  };
  FakeEngine(const Limits& limits, EngineControl* control) : limits_(limits), control_(control) {}

  int32_t free_rows() const override {
    int32_t used = 0;
    for (const auto& active : active_) used += active.request.options.num_beams;
    return limits_.rows - used;
  }
  bool idle() const override { return active_.empty() && abandoned_.empty(); }

  absl::Status Admit(EngineRequest request) override {
    if (request.input_ids.empty()) return absl::InvalidArgumentError("no input");
    if (active_.size() >= limits_.memory) return absl::ResourceExhaustedError("no memory");
    if (request.options.num_beams > free_rows()) return absl::ResourceExhaustedError("no rows");
    {
      MutexLock lock(control_->mutex_);
      control_->admitted_.push_back(request.input_ids[0]);
      control_->admitted_after_.push_back(control_->steps_);
    }
    active_.push_back({std::move(request), limits_.encode_steps, {}});
    return absl::OkStatus();
  }

  void Cancel(uint64_t id) override {
    const auto found = std::ranges::find(active_, id, [](const Active& active) { return active.request.id; });
    if (found == active_.end()) return;
    if (found->to_encode > 0 && found->to_encode < limits_.encode_steps) abandoned_.push_back(*found);
    active_.erase(found);
    MutexLock lock(control_->mutex_);
    ++control_->cancelled_;
  }

  StepStats Step(std::vector<EngineEvent>* events) override {
    control_->AwaitStep();
    if (limits_.step_time.count() > 0) std::this_thread::sleep_for(limits_.step_time);
    StepStats stats;
    std::set<const MixedWeights*> lanes;
    for (Active& active : active_) {
      if (active.to_encode > 0) {
        stats.encode_tokens += static_cast<int32_t>(active.request.input_ids.size());
        if (--active.to_encode == 0) events->push_back({active.request.id, EngineEvent::Kind::kEncoded, 0, {}});
        continue;
      }
      stats.decode_rows += active.request.options.num_beams;
      lanes.insert(active.request.weights.get());
      Decode(active, events);
    }
    stats.lanes = static_cast<int32_t>(lanes.size());
    std::erase_if(active_, [](const Active& active) { return active.done(); });
    std::erase_if(abandoned_, [](Active& abandoned) { return --abandoned.to_encode == 0; });
    control_->StepMade();
    return stats;
  }

 private:
  struct Active {
    EngineRequest request;
    int to_encode = 1;  // Steps.
    std::vector<int32_t> tokens;
    bool done() const { return tokens.size() == static_cast<size_t>(request.options.max_new_tokens); }
  };

  static void Decode(Active& active, std::vector<EngineEvent>* events) {
    const auto token = active.request.input_ids[0] + static_cast<int32_t>(active.tokens.size());
    active.tokens.push_back(token);
    if (active.request.options.num_beams == 1) {
      events->push_back({active.request.id, EngineEvent::Kind::kToken, token, {}});
    }
    if (!active.done()) return;
    Generation generation;
    generation.tokens = active.tokens;
    events->push_back({active.request.id, EngineEvent::Kind::kFinished, 0, std::move(generation)});
  }

  const Limits limits_;
  EngineControl* const control_;
  std::vector<Active> active_;
  std::vector<Active> abandoned_;  // Cancelled while they were being encoded.
};

}  // namespace trimtab

#endif  // TRIMTAB_TESTS_SERVER_FAKE_ENGINE_H_
