#include "server/request_queue.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "model/status_macros.h"
#include "server/error_reason.h"

namespace trimtab {
namespace {

using Stage = PendingRequest::Stage;

absl::string_view StageName(Stage stage) {
  switch (stage) {
    case Stage::kWaiting:
      return "waiting for a place in the batch";
    case Stage::kEncoding:
      return "being read";
    case Stage::kDecoding:
      break;
  }
  return "being written";
}

absl::Status DisplacedError() {
  return absl::ResourceExhaustedError(
      "the queue is full, and most of it waits for the weighting of this request, which gave its place to one of "
      "another; "
      "try again later");
}

prometheus::Counter& CancelledCounter(Metrics& metrics, Stage stage) {
  switch (stage) {
    case Stage::kWaiting:
      return metrics.cancelled_waiting;
    case Stage::kEncoding:
      return metrics.cancelled_encoding;
    case Stage::kDecoding:
      break;
  }
  return metrics.cancelled_decoding;
}

}  // namespace

absl::Status DeadlineError(Stage stage) {
  return absl::DeadlineExceededError(
      absl::StrCat("the deadline passed while the request was ", StageName(stage), ": allow more time"));
}

absl::Status CancelledByCaller() { return absl::CancelledError("the caller cancelled the request"); }

absl::StatusOr<size_t> RequestQueue::Add(std::span<std::unique_ptr<PendingRequest>> requests) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(RefuseIfDraining());
  size_t taken = 0;
  for (; taken < requests.size(); ++taken) {
    std::unique_ptr<PendingRequest>& request = requests[taken];
    if (taken == 0) {
      RETURN_IF_ERROR(MakeRoom(request->lane));
    } else if (Places() >= max_length_) {
      break;
    }
    next_deadline_ = std::min(next_deadline_, request->request.deadline);
    ++accepted_;
    ++lanes_[request->lane];
    const uint64_t id = request->id;
    waiting_.emplace(id, std::move(request));
  }
  ShowSize();
  changed_.NotifyOne();
  return taken;
}

absl::Status RequestQueue::CheckRoom(uint64_t lane) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(RefuseIfDraining());
  return Places() < max_length_ || WhoGivesWay(lane) != nullptr ? absl::OkStatus() : RefuseAsFull();
}

absl::Status RequestQueue::RefuseIfDraining() const {
  if (!draining_) return absl::OkStatus();
  metrics_->rejected_draining.Increment();
  return DrainedError();
}

absl::Status RequestQueue::RefuseAsFull() const {
  metrics_->rejected_queue_full.Increment();
  return absl::ResourceExhaustedError(absl::StrCat("the queue is full: ", Places(), " requests wait; try again later"));
}

absl::Status RequestQueue::MakeRoom(uint64_t lane) {
  if (Places() < max_length_) return absl::OkStatus();
  const PendingRequest* leaving = WhoGivesWay(lane);
  if (leaving == nullptr) return RefuseAsFull();
  displaced_.insert(leaving->id);
  metrics_->rejected_displaced.Increment();
  GiveBackPlace(leaving->lane);
  return absl::OkStatus();
}

const PendingRequest* RequestQueue::WhoGivesWay(uint64_t lane) const {
  if (displaced_.size() >= static_cast<size_t>(max_length_)) return nullptr;
  const std::optional<uint64_t> most = PlanDisplacement(lanes_, lane);
  if (!most.has_value()) return nullptr;
  const PendingRequest& youngest = YoungestOf(*most);
  const bool flood = 2 * lanes_.at(*most) > static_cast<size_t>(max_length_);
  return flood || absl::Now() - youngest.submitted < settled_after_ ? &youngest : nullptr;
}

const PendingRequest& RequestQueue::YoungestOf(uint64_t lane) const {
  for (auto next = waiting_.rbegin();; ++next) {  // lanes_ says that there is one.
    if (next->second->lane == lane && !displaced_.contains(next->first)) return *next->second;
  }
}

void RequestQueue::GiveBackPlace(uint64_t lane) {
  if (const auto found = lanes_.find(lane); --found->second == 0) lanes_.erase(found);
}

void RequestQueue::Cancel(uint64_t id) {
  MutexLock lock(mutex_);
  cancels_.push_back(id);
  changed_.NotifyOne();
}

void RequestQueue::Take(bool busy, bool room, Work* work) {
  work->ended.clear();
  work->cancelled.clear();
  work->ready.clear();
  MutexLock lock(mutex_);
  while (true) {
    work->now = absl::Now();
    CollectEnded(work);
    if (busy || stop_ || !waiting_.empty() || !work->ended.empty()) break;
    work->cancelled.clear();  // Nothing runs that they could name.
    WaitForChange();
  }
  work->stop = stop_;
  work->drain_over = work->now >= drain_deadline_;
  if (!room) return;
  for (const auto& [id, request] : waiting_) work->ready.push_back(request.get());
}

void RequestQueue::CollectEnded(Work* work) {
  for (const uint64_t id : cancels_) {
    if (waiting_.contains(id)) {
      MoveToEnded(id, CancelledByCaller(), work);
    } else {
      work->cancelled.push_back(id);
    }
  }
  cancels_.clear();
  while (!displaced_.empty()) MoveToEnded(*displaced_.begin(), DisplacedError(), work);
  const bool drain_over = work->now >= drain_deadline_;
  if (work->now < next_deadline_ && !(drain_over && !waiting_.empty())) return;
  next_deadline_ = absl::InfiniteFuture();
  for (auto next = waiting_.begin(); next != waiting_.end();) {
    const auto& [id, request] = *next++;
    if (request->request.deadline <= work->now) {
      MoveToEnded(id, DeadlineError(request->stage), work);
    } else if (drain_over) {
      MoveToEnded(id, DrainedError(), work);
    } else {
      next_deadline_ = std::min(next_deadline_, request->request.deadline);
    }
  }
}

void RequestQueue::MoveToEnded(uint64_t id, absl::Status status, Work* work) {
  work->ended.emplace_back(TakeOut(id), std::move(status));
}

std::unique_ptr<PendingRequest> RequestQueue::TakeOut(uint64_t id) {
  const auto found = waiting_.find(id);
  std::unique_ptr<PendingRequest> request = std::move(found->second);
  waiting_.erase(found);
  if (displaced_.erase(id) == 0) GiveBackPlace(request->lane);
  ShowSize();
  return request;
}

std::unique_ptr<PendingRequest> RequestQueue::Remove(uint64_t id) {
  MutexLock lock(mutex_);
  return TakeOut(id);
}

void RequestQueue::WaitForChange() {
  absl::Time wake = next_deadline_;
  if (!waiting_.empty()) wake = std::min(wake, drain_deadline_);
  if (wake == absl::InfiniteFuture()) {
    changed_.Wait(mutex_);
  } else {
    // An hour at most: far times do not survive the conversion on every platform.
    changed_.WaitUntil(mutex_, absl::ToChronoTime(std::min(wake, absl::Now() + absl::Hours(1))));
  }
}

void RequestQueue::End(std::unique_ptr<PendingRequest> request, absl::StatusOr<SummaryResult> result) {
  if (absl::IsCancelled(result.status()) || absl::IsDeadlineExceeded(result.status()) ||
      absl::IsUnavailable(result.status())) {
    CancelledCounter(*metrics_, request->stage).Increment();
  }
  const auto on_done = std::move(request->callbacks.on_done);
  request.reset();
  on_done(std::move(result));
  MutexLock lock(mutex_);
  if (--accepted_ == 0) all_ended_.NotifyAll();
}

void RequestQueue::StartDrain(absl::Time deadline) {
  MutexLock lock(mutex_);
  draining_ = true;
  drain_deadline_ = std::min(drain_deadline_, deadline);
  changed_.NotifyOne();
}

void RequestQueue::AwaitAllEnded() {
  MutexLock lock(mutex_);
  while (accepted_ > 0) all_ended_.Wait(mutex_);
}

void RequestQueue::Stop() {
  MutexLock lock(mutex_);
  stop_ = true;
  changed_.NotifyOne();
}

int RequestQueue::size() const {
  MutexLock lock(mutex_);
  return Places();
}

int RequestQueue::Places() const { return static_cast<int>(waiting_.size() - displaced_.size()); }

void RequestQueue::ShowSize() { metrics_->requests_waiting.Set(Places()); }

}  // namespace trimtab
