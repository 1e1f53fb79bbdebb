// The queue as its callers and the engine thread use it, in any order, beside a model of what must come of it.
#include <map>
#include <set>

#include "prometheus/registry.h"
#include "server/request_queue.h"
#include "tests/fuzz/fuzz.h"

namespace trimtab {
namespace {

constexpr int kMaxRequests = 64;
constexpr size_t kMaxChoices = 300;

const Coefficients& AnyCoefficients() {
  static const auto* const coefficients = [] {
    const auto weighting = Weighting::Create({}, 1, 1.0, {1.0});
    FUZZ_CHECK(weighting.ok());
    return new Coefficients(Coefficients::From({}, *weighting, {}));
  }();
  return *coefficients;
}

Metrics& SharedMetrics() {
  static auto* const registry = new prometheus::Registry;
  static auto* const metrics = new Metrics(*registry);
  return *metrics;
}

class Driver {
 public:
  Driver(int max_length, absl::Duration settled_after)
      : max_length_(max_length), queue_(max_length, settled_after, &SharedMetrics()) {}

  void Step(Choices& choices) {
    switch (choices.Below(8)) {
      case 0:
      case 1:
        return Add(choices);
      case 2:
        return Cancel(choices.Byte() % (last_id_ + 1));  // Nobody cancels what was not submitted.
      case 3:
        return Take(choices.Bit());
      case 4:
        return Admit(choices.Byte());
      case 5:
        return Finish();
      case 6:
        drain_asked_ = true;
        drain_over_ |= choices.Bit();
        return queue_.StartDrain(drain_over_ ? absl::InfinitePast() : absl::InfiniteFuture());
      default:
        Take(true);
        return Admit(0);
    }
  }

  // All that was accepted ends, each once.
  void EndAll() {
    drain_over_ = drain_asked_ = true;
    queue_.StartDrain(absl::InfinitePast());
    Take(true);
    FUZZ_CHECK(work_.drain_over && work_.ready.empty());
    while (!running_.empty()) Finish();
    FUZZ_CHECK(queue_.size() == 0);
    for (const auto& [id, known] : known_) FUZZ_CHECK(known.ends == 1);
    queue_.AwaitAllEnded();
  }

 private:
  struct Known {
    bool late = false;  // Its deadline has passed.
    bool cancelled = false;
    int ends = 0;
  };

  std::unique_ptr<PendingRequest> NewRequest(Choices& choices) {
    const uint64_t id = ++last_id_;
    const bool late = choices.Below(4) == 3;
    SummaryRequest request{{}, nullptr, AnyCoefficients(), {}, late ? absl::InfinitePast() : absl::InfiniteFuture()};
    SummaryCallbacks callbacks;
    callbacks.on_done = [this, id](const absl::StatusOr<SummaryResult>&) { ++known_.at(id).ends; };
    auto pending = std::make_unique<PendingRequest>(id, std::move(request), std::move(callbacks));
    pending->lane = choices.Below(4);
    pending->submitted = absl::Now();
    fresh_[id].late = late;
    return pending;
  }

  void Add(Choices& choices) {
    if (last_id_ >= kMaxRequests) return;
    std::vector<std::unique_ptr<PendingRequest>> requests;
    fresh_.clear();
    for (int count = 1 + choices.Below(4); count > 0; --count) requests.push_back(NewRequest(choices));
    const int before = queue_.size();
    const auto taken = queue_.Add(requests);
    FUZZ_CHECK(queue_.size() <= max_length_);
    if (!taken.ok()) {
      FUZZ_CHECK(absl::IsUnavailable(taken.status()) == drain_asked_);
      FUZZ_CHECK(drain_asked_ || (absl::IsResourceExhausted(taken.status()) && before == max_length_));
      for (const auto& request : requests) FUZZ_CHECK(request != nullptr);
      return;
    }
    FUZZ_CHECK(!drain_asked_ && *taken >= 1);
    const bool displaced = before == max_length_;
    FUZZ_CHECK(queue_.size() == (displaced ? before : before + static_cast<int>(*taken)));
    FUZZ_CHECK(*taken == requests.size() || queue_.size() == max_length_);
    for (size_t i = 0; i < requests.size(); ++i) FUZZ_CHECK((requests[i] == nullptr) == (i < *taken));
    for (const auto& [id, known] : fresh_) {
      if (id > last_id_ - requests.size() + *taken) break;
      known_[id] = known;
    }
  }

  void Cancel(uint64_t id) {
    if (const auto found = known_.find(id); found != known_.end()) found->second.cancelled = true;
    queue_.Cancel(id);
  }

  void Take(bool room) {
    queue_.Take(/*busy=*/true, room, &work_);
    for (auto& [request, status] : work_.ended) {
      const Known& known = known_.at(request->id);
      FUZZ_CHECK(!running_.contains(request->id));
      FUZZ_CHECK(!absl::IsCancelled(status) || known.cancelled);
      FUZZ_CHECK(!absl::IsDeadlineExceeded(status) || known.late);
      FUZZ_CHECK(!absl::IsUnavailable(status) || drain_over_);
      FUZZ_CHECK(!status.ok());
      queue_.End(std::move(request), status);
    }
    for (const uint64_t id : work_.cancelled) {
      if (running_.contains(id)) End(id, CancelledByCaller());
    }
    FUZZ_CHECK(room || work_.ready.empty());
    uint64_t last = 0;
    for (const PendingRequest* request : work_.ready) {
      const Known& known = known_.at(request->id);
      FUZZ_CHECK(request->id > last && !known.cancelled && !known.late && known.ends == 0 && !drain_over_);
      last = request->id;
    }
    FUZZ_CHECK(work_.ready.size() <= static_cast<size_t>(max_length_));
  }

  // Only what the last Take listed, though others may have lost their places or been cancelled since.
  void Admit(size_t which) {
    if (work_.ready.empty()) return;
    const auto chosen = work_.ready.begin() + static_cast<int64_t>(which % work_.ready.size());
    const uint64_t id = (*chosen)->id;
    work_.ready.erase(chosen);
    running_[id] = queue_.Remove(id);
    running_[id]->stage = PendingRequest::Stage::kEncoding;
  }

  void Finish() {
    if (!running_.empty()) End(running_.begin()->first, absl::InternalError("finished"));
  }

  void End(uint64_t id, const absl::Status& status) {
    auto request = std::move(running_.at(id));
    running_.erase(id);
    queue_.End(std::move(request), status);
  }

  const int max_length_;
  RequestQueue queue_;
  RequestQueue::Work work_;
  std::map<uint64_t, Known> known_;  // Accepted.
  std::map<uint64_t, Known> fresh_;  // Of the last Add.
  std::map<uint64_t, std::unique_ptr<PendingRequest>> running_;
  uint64_t last_id_ = 0;
  bool drain_asked_ = false, drain_over_ = false;
};

FUZZ_TARGET(request_queue) {
  Choices choices(input.substr(0, kMaxChoices));
  const int max_length = 1 + choices.Below(6);
  Driver driver(max_length, choices.Bit() ? absl::InfiniteDuration() : absl::ZeroDuration());
  while (!choices.done()) driver.Step(choices);
  driver.EndAll();
}

}  // namespace
}  // namespace trimtab
