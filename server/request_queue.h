// The scheduler's half that other threads see: what is not in the engine yet, and what is asked of the engine thread.
#ifndef TRIMTAB_SERVER_REQUEST_QUEUE_H_
#define TRIMTAB_SERVER_REQUEST_QUEUE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/batch_plan.h"
#include "server/metrics.h"
#include "server/mixed_weight_cache.h"
#include "server/mutex.h"
#include "server/path_plan.h"
#include "server/scheduler.h"

namespace trimtab {

// An accepted request from Submit to on_done. Whoever holds the pointer ends it, so it ends once.
struct PendingRequest {
  enum class Stage { kWaiting, kEncoding, kDecoding };

  PendingRequest(uint64_t id_in, SummaryRequest request_in, SummaryCallbacks callbacks_in)
      : id(id_in), request(std::move(request_in)), callbacks(std::move(callbacks_in)) {}

  const uint64_t id;
  SummaryRequest request;
  SummaryCallbacks callbacks;
  Stage stage = Stage::kWaiting;
  uint64_t lane = 0;                           // Equal for equal weights of one version.
  MixedWeightLease lease;                      // From its first try to be admitted on.
  ExecutionPath path = ExecutionPath::kDense;  // Of the lease.
  absl::Time submitted, admitted, encoded, first_token;
  int32_t streamed_tokens = 0;
};

// Requests that wait for a place, in order of arrival: bound, fair shares of it (PlanDisplacement), deadlines,
// cancellation, drain.
// Thread-safe. Lock order: its lock is a leaf; callbacks run without it.
class RequestQueue {
 public:
  using Ended = std::pair<std::unique_ptr<PendingRequest>, absl::Status>;

  // What the engine thread has to do now. Reused from call to call.
  struct Work {
    absl::Time now;
    std::vector<Ended> ended;            // To end with this status; no longer in the queue.
    std::vector<uint64_t> cancelled;     // Not found in the queue; perhaps in the engine.
    std::vector<PendingRequest*> ready;  // Oldest first. Each is valid until removed; only the engine thread does that.
    bool drain_over = false;             // What still runs ends with Unavailable.
    bool stop = false;
  };

  // `metrics` must outlive the last request.
  RequestQueue(int max_length, absl::Duration settled_after, Metrics* metrics)
      : max_length_(max_length), settled_after_(settled_after), metrics_(metrics) {
    metrics->requests_waiting_limit.Set(max_length);
  }

  // Takes requests in at one moment, as many from the front as there is room for; says how many, and leaves the others.
  // ResourceExhausted (full), Unavailable (draining) when it takes none. Where it is full, the youngest request of the
  // lane that holds most places may have to go instead of the first (PlanDisplacement), unless it has settled
  // (SchedulerOptions::settled_after): it ends with ResourceExhausted when the engine thread next looks, unless that
  // has it admitted. REQUIRES: at least one.
  absl::StatusOr<size_t> Add(std::span<std::unique_ptr<PendingRequest>> requests);
  // The error with which Add would refuse a request of `lane` now, counted as its; OK promises nothing.
  absl::Status CheckRoom(uint64_t lane);
  void Cancel(uint64_t id);

  // For the engine thread. Unless it is `busy`, waits until there is something to do. Lists what waits if it has `room`
  // for some of it.
  void Take(bool busy, bool room, Work* work);
  std::unique_ptr<PendingRequest> Remove(uint64_t id);  // REQUIRES: listed as ready.

  // Lets go of everything `request` holds, then calls its on_done. REQUIRES: it was accepted and is not in the queue.
  void End(std::unique_ptr<PendingRequest> request, absl::StatusOr<SummaryResult> result);

  void StartDrain(absl::Time deadline);
  void AwaitAllEnded();  // Blocks until on_done of every accepted request has returned.
  void Stop();           // Take() says stop from now on.

  int size() const;

 private:
  int Places() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);  // Taken.
  void CollectEnded(Work* work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void MoveToEnded(uint64_t id, absl::Status status, Work* work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::unique_ptr<PendingRequest> TakeOut(uint64_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status MakeRoom(uint64_t lane) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // These count the refusal that they answer with.
  absl::Status RefuseIfDraining() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status RefuseAsFull() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // For a newcomer of `lane` in a full queue; null: the newcomer itself.
  const PendingRequest* WhoGivesWay(uint64_t lane) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  const PendingRequest& YoungestOf(uint64_t lane) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void GiveBackPlace(uint64_t lane) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WaitForChange() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ShowSize() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int max_length_;
  const absl::Duration settled_after_;
  Metrics* const metrics_;
  mutable Mutex mutex_;
  CondVar changed_;    // Something for the engine thread.
  CondVar all_ended_;  // accepted_ became 0.
  std::map<uint64_t, std::unique_ptr<PendingRequest>> waiting_ ABSL_GUARDED_BY(mutex_);  // Ids grow with arrival.
  // Of waiting_, those that lost their place; at most max_length_. The engine thread ends them, as it may look at them.
  absl::flat_hash_set<uint64_t> displaced_ ABSL_GUARDED_BY(mutex_);
  WaitingByLane lanes_ ABSL_GUARDED_BY(mutex_);  // Of the others; a lane of which none waits has no entry.
  absl::Time next_deadline_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();  // No deadline in waiting_ is earlier.
  std::vector<uint64_t> cancels_ ABSL_GUARDED_BY(mutex_);
  int accepted_ ABSL_GUARDED_BY(mutex_) = 0;  // Whose on_done has not returned.
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time drain_deadline_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
};

absl::Status DeadlineError(PendingRequest::Stage stage);
absl::Status CancelledByCaller();

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_REQUEST_QUEUE_H_
