#include "client/load/drive.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "client/load/draws.h"

namespace trimtab {
namespace {

// Hands out what is to be sent next. Thread-safe.
class Tickets {
 public:
  struct Ticket {
    uint64_t index;
    absl::Duration due;
  };

  Tickets(const LoadPlan& plan, absl::Time started) : plan_(plan), started_(started) {
    if (plan.rate > 0) arrivals_.emplace(plan.rate, plan.seed);
  }

  // None: the load is over.
  std::optional<Ticket> Next() {
    absl::MutexLock lock(&mutex_);
    const absl::Duration due = arrivals_.has_value() ? arrivals_->Next() : absl::Now() - started_;
    if (due >= plan_.warmup + plan_.duration || (plan_.requests.has_value() && next_ >= *plan_.requests)) {
      return std::nullopt;
    }
    return Ticket{.index = next_++, .due = due};
  }

 private:
  const LoadPlan& plan_;
  const absl::Time started_;
  absl::Mutex mutex_;
  std::optional<PoissonArrivals> arrivals_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_ ABSL_GUARDED_BY(mutex_) = 0;
};

using Indexed = std::pair<uint64_t, LoadSample>;

void Work(Tickets& tickets, absl::Time started, const MakeCall& call, std::vector<Indexed>* samples) {
  while (const std::optional<Tickets::Ticket> ticket = tickets.Next()) {
    absl::SleepFor(started + ticket->due - absl::Now());
    LoadSample sample;
    sample.due = ticket->due;
    sample.sent = absl::Now() - started;
    sample.outcome = call(ticket->index);
    sample.done = absl::Now() - started;
    samples->emplace_back(ticket->index, std::move(sample));
  }
}

}  // namespace

LoadRun Drive(const LoadPlan& plan, const MakeCall& call) {
  LoadRun run;
  std::vector<std::vector<Indexed>> of_caller(plan.callers);
  run.started = absl::Now();
  Tickets tickets(plan, run.started);
  std::vector<std::thread> callers;
  callers.reserve(of_caller.size());
  for (std::vector<Indexed>& samples : of_caller) {
    callers.emplace_back([&] { Work(tickets, run.started, call, &samples); });
  }
  for (std::thread& caller : callers) caller.join();

  std::vector<Indexed> all;
  for (std::vector<Indexed>& samples : of_caller) std::move(samples.begin(), samples.end(), std::back_inserter(all));
  std::sort(all.begin(), all.end(), [](const Indexed& a, const Indexed& b) { return a.first < b.first; });
  for (Indexed& sample : all) run.samples.push_back(std::move(sample.second));
  return run;
}

}  // namespace trimtab
