#ifndef TRIMTAB_SERVER_SCHEDULER_H_
#define TRIMTAB_SERVER_SCHEDULER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "model/engine.h"
#include "server/metrics.h"
#include "server/mixed_weight_cache.h"
#include "server/path_plan.h"

namespace trimtab {

struct SchedulerOptions {
  // Requests allowed to wait for a place in the batch. For one more, one of them or itself is refused with
  // ResourceExhausted (PlanDisplacement in batch_plan.h).
  int max_queue_length = 256;
  // Who has waited for this long keeps its place in a full queue, unless its lane holds more than half of them: so that
  // a refusal comes soon, or to a flood.
  absl::Duration settled_after = absl::Milliseconds(20);
  // Every request runs densely, so that its bits do not depend on the load.
  bool deterministic = false;
  // While several lanes are about, one that asks for more than the others holds at most the rows that slow a step down
  // to this many times that of one row (by `costs`). At least 1.
  double fair_slowdown = 1.3;
  StepCosts costs = {};  // Of the machine and the parameters: what the choice of paths goes by (path_plan.h).
};

struct SummaryRequest {
  std::vector<int32_t> input_ids;
  std::shared_ptr<const Parameters> parameters;  // The version this request keeps to its end.
  Coefficients coefficients;
  GenerationOptions options;
  absl::Time deadline = absl::InfiniteFuture();
  std::optional<ExecutionPath> path = std::nullopt;  // Asked for; else the scheduler chooses.
};

struct SummaryTimes {
  absl::Duration queue;        // Submission to admission.
  absl::Duration mix;          // Of the two below, spent on mixing its weights.
  absl::Duration encode;       // Admission to the end of the encoder pass.
  absl::Duration decode;       // From there to the last token.
  absl::Duration first_token;  // Submission to the first token (beams: to the end).
};

struct SummaryResult {
  Generation generation;
  CacheOutcome cache = CacheOutcome::kHit;
  ExecutionPath path = ExecutionPath::kDense;
  SummaryTimes times;
};

// Called from the engine thread (or, for an early end, the caller of Submit): must not block.
struct SummaryCallbacks {
  std::function<void(int32_t token)> on_token;  // May be null. Greedy and sampling only.
  // Exactly once, last. DeadlineExceeded, Cancelled, ResourceExhausted (no place to wait), Unavailable (draining).
  std::function<void(absl::StatusOr<SummaryResult>)> on_done;
};

// Queue, batch, deliver. One engine thread owns the engine; requests join and leave its batch at every step; lanes
// share the places fairly (batch_plan.h) and get the cheaper path (path_plan.h), which they keep. A deadline or a
// cancellation ends a request within one step. Thread-safe. Lock order: the scheduler's lock, then nothing; callbacks
// run without it.
class Scheduler {
 public:
  // The pointees must outlive the scheduler.
  Scheduler(const SchedulerOptions& options, std::unique_ptr<Engine> engine, MixedWeightCache* cache, Metrics* metrics);
  // Drains with no time left, then joins the engine thread.
  ~Scheduler();

  // The id to cancel by. `callbacks.on_done` may be called before this returns.
  uint64_t Submit(SummaryRequest request, SummaryCallbacks callbacks);

  // Submits the requests of one caller at one moment, so that one plan sees them all: as many from the front as the
  // queue has room for. Their ids, at least one; the others are as never submitted. An error is what on_done would have
  // been told: then none is submitted, and no callback is called. REQUIRES: at least one request.
  struct Submission {
    SummaryRequest request;
    SummaryCallbacks callbacks;
  };
  absl::StatusOr<std::vector<uint64_t>> SubmitTogether(std::vector<Submission> submissions);

  // The error with which a request at these weights would be refused now for lack of room or in a drain, counted as
  // one. OK promises nothing. For who would else make a request ready in vain.
  absl::Status CheckRoom(const Parameters& parameters, const Coefficients& coefficients);

  void Cancel(uint64_t id);

  // After this no request is accepted, and all accepted ones end: by themselves before `deadline`, cancelled
  // (Unavailable) after it. Returns when none is left. Safe to call again.
  void Drain(absl::Time deadline);

  int waiting() const;
  int running() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_SCHEDULER_H_
