#include "server/scheduler.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "model/field_error.h"
#include "model/status_macros.h"
#include "server/batch_plan.h"
#include "server/error_reason.h"
#include "server/request_queue.h"

namespace trimtab {
namespace {

using Stage = PendingRequest::Stage;

// Requests with the same weights share a lane.
uint64_t LaneOf(const Parameters& parameters, const Coefficients& coefficients) {
  return absl::HashOf(&parameters, coefficients.Key());
}

// Of a request whose length nobody knows yet.
int32_t ExpectedSteps(const SummaryRequest& request) { return std::max(1, request.options.max_new_tokens / 2); }

// Several lanes count as about for this long after they last were, up to twice that.
constexpr absl::Duration kDemandWindow = absl::Seconds(2);

double Seconds(absl::Duration duration) { return absl::ToDoubleSeconds(duration); }

}  // namespace

// `running` and all below it belong to the engine thread.
struct Scheduler::Impl {
  Impl(const SchedulerOptions& options, std::unique_ptr<Engine> engine_in, MixedWeightCache* cache, Metrics* metrics)
      : cache(cache),
        metrics(metrics),
        deterministic(options.deterministic),
        costs(options.costs),
        fair_rows(costs.RowsWithin(options.fair_slowdown)),
        queue(std::make_shared<RequestQueue>(options.max_queue_length, options.settled_after, metrics)),
        total_rows(engine_in->free_rows()),
        engine(std::move(engine_in)),
        thread([this] { Run(); }) {}

  std::unique_ptr<PendingRequest> NewRequest(Submission submission);
  absl::Status Check(const PendingRequest& request) const;

  void Run();
  void EndRunning();
  void AdmitReady();
  int32_t LaneLimit();
  std::vector<ExecutionPath> PathsOf(const std::vector<size_t>& joined);
  bool AdmitOne(PendingRequest* request, ExecutionPath path);
  absl::Status Lease(PendingRequest* request, ExecutionPath path);
  void Step();
  void Deliver(EngineEvent& event, absl::Time now);
  void CountToken(PendingRequest& request, absl::Time now);
  void Finish(EngineEvent& event, absl::Time now);
  std::unique_ptr<PendingRequest> Leave(uint64_t id);
  void ShowRunning();

  MixedWeightCache* const cache;
  Metrics* const metrics;
  const bool deterministic;
  const StepCosts costs;
  const int32_t fair_rows;  // 0: not known.
  const std::shared_ptr<RequestQueue> queue;
  const int32_t total_rows;
  std::atomic<uint64_t> last_id = 0;
  std::atomic<int> running_count = 0;

  std::unique_ptr<Engine> engine;
  absl::flat_hash_map<uint64_t, std::unique_ptr<PendingRequest>> running;
  bool memory_short = false;  // One was refused for memory, of the engine or the cache: none is tried until one leaves.
  // Most that the second lane asked for, in the window that ends then and in the one before; 0: there was one lane.
  int32_t demand = 0, earlier_demand = 0;
  absl::Time demand_until = absl::InfinitePast();
  RequestQueue::Work work;
  std::vector<std::pair<uint64_t, absl::Status>> leaving;
  std::vector<Candidate> candidates;
  std::vector<LaneLoad> loads;
  std::vector<EngineEvent> events;
  std::thread thread;  // Last: it starts when all else is made.
};

std::unique_ptr<PendingRequest> Scheduler::Impl::NewRequest(Submission submission) {
  auto pending =
      std::make_unique<PendingRequest>(++last_id, std::move(submission.request), std::move(submission.callbacks));
  pending->submitted = absl::Now();
  pending->lane = LaneOf(*pending->request.parameters, pending->request.coefficients);
  return pending;
}

absl::Status Scheduler::Impl::Check(const PendingRequest& pending) const {
  const SummaryRequest& request = pending.request;
  if (request.deadline <= pending.submitted) {
    metrics->cancelled_waiting.Increment();
    return absl::DeadlineExceededError("the deadline had passed when the request arrived: allow more time");
  }
  if (request.options.num_beams > total_rows) {
    return InvalidField("options.num_beams",
                        absl::StrCat("is ", request.options.num_beams, "; this server's batch has ", total_rows,
                                     " rows: ask for fewer beams"));
  }
  return absl::OkStatus();
}

void Scheduler::Impl::Run() {
  while (true) {
    // The engine may still encode for a request that was cancelled, and hold its weights until that is done.
    if (engine->idle()) memory_short = false;
    const bool room = engine->free_rows() > 0 && !memory_short;
    queue->Take(!engine->idle(), room, &work);
    if (work.stop) return;
    for (auto& [request, status] : work.ended) queue->End(std::move(request), std::move(status));
    EndRunning();
    AdmitReady();
    if (!engine->idle()) Step();
  }
}

// Ends what runs and was cancelled, is late, or outlasts the drain.
void Scheduler::Impl::EndRunning() {
  leaving.clear();
  for (const auto& [id, request] : running) {
    if (request->request.deadline <= work.now) {
      leaving.emplace_back(id, DeadlineError(request->stage));
    } else if (work.drain_over) {
      leaving.emplace_back(id, DrainedError());
    }
  }
  for (const uint64_t id : work.cancelled) leaving.emplace_back(id, CancelledByCaller());
  for (auto& [id, status] : leaving) {
    std::unique_ptr<PendingRequest> request = Leave(id);
    if (request == nullptr) continue;  // A late cancellation.
    engine->Cancel(id);
    queue->End(std::move(request), std::move(status));
  }
}

void Scheduler::Impl::AdmitReady() {
  if (work.ready.empty()) return;
  candidates.clear();
  loads.clear();
  for (const PendingRequest* request : work.ready) {
    candidates.push_back({request->lane, request->request.options.num_beams});
  }
  for (const auto& [id, request] : running) loads.push_back({request->lane, request->request.options.num_beams});
  std::vector<size_t> joined = PlanAdmissions(candidates, loads, engine->free_rows(), LaneLimit());
  // What does not fit an empty engine never will: the engine says why.
  if (joined.empty() && running.empty()) joined.push_back(0);
  const std::vector<ExecutionPath> paths = PathsOf(joined);
  for (size_t i = 0; i < joined.size(); ++i) {
    if (!AdmitOne(work.ready[joined[i]], paths[i])) return;
  }
}

// Rows that one lane may hold. So a flood of one weighting does not fill the batch, whose steps then are too slow for
// those who trickle; lanes that ask for alike many rows do not limit each other.
int32_t Scheduler::Impl::LaneLimit() {
  if (fair_rows == 0) return total_rows;
  if (work.now > demand_until) {
    earlier_demand = work.now > demand_until + kDemandWindow ? 0 : demand;
    demand = 0;
    demand_until = work.now + kDemandWindow;
  }
  demand = std::max(demand, SecondDemand(candidates, loads));
  const int32_t others = std::max(demand, earlier_demand);
  return others == 0 ? total_rows : std::max(fair_rows, others);
}

std::vector<ExecutionPath> Scheduler::Impl::PathsOf(const std::vector<size_t>& joined) {
  if (deterministic) return std::vector<ExecutionPath>(joined.size(), ExecutionPath::kDense);
  std::vector<RunningRows> runs;
  for (const auto& [id, request] : running) {
    runs.push_back({request->lane, request->request.options.num_beams, request->path});
  }
  std::vector<JoiningRows> joins;
  for (const size_t i : joined) {
    const PendingRequest& pending = *work.ready[i];
    const SummaryRequest& request = pending.request;
    joins.push_back({pending.lane, request.options.num_beams, ExpectedSteps(request),
                     cache->Holds(*request.parameters, request.coefficients)});
  }
  return PlanPaths(costs, runs, joins);
}

// Gets the weights of a request, once. Where all room for mixtures is pinned, it runs over the basis if it may.
absl::Status Scheduler::Impl::Lease(PendingRequest* pending, ExecutionPath path) {
  if (pending->lease.weights != nullptr) return absl::OkStatus();
  const SummaryRequest& request = pending->request;
  pending->path = request.path.value_or(path);
  absl::StatusOr<MixedWeightLease> lease = absl::UnavailableError("over the basis");
  if (pending->path == ExecutionPath::kDense) lease = cache->Acquire(request.parameters, request.coefficients);
  if (absl::IsUnavailable(lease.status()) && !deterministic && request.path != ExecutionPath::kDense) {
    pending->path = ExecutionPath::kBasis;
    lease = cache->AcquireBasis(request.parameters, request.coefficients);
  }
  if (!lease.ok()) return lease.status();
  pending->lease = *std::move(lease);
  return absl::OkStatus();
}

// False when memory is short and the request must wait for another to leave.
bool Scheduler::Impl::AdmitOne(PendingRequest* request, ExecutionPath path) {
  absl::Status status = Lease(request, path);
  const bool room_is_taken = absl::IsUnavailable(status);
  if (status.ok()) {
    status = engine->Admit({request->id, request->request.input_ids, request->lease.weights, request->request.options});
  }
  if ((room_is_taken || absl::IsResourceExhausted(status)) && !engine->idle()) {
    memory_short = true;
    return false;
  }
  if (room_is_taken && cache->AwaitRoom()) return false;  // It is tried again at once.
  std::unique_ptr<PendingRequest> owned = queue->Remove(request->id);
  if (!status.ok()) {
    queue->End(std::move(owned), std::move(status));
    return true;
  }
  owned->stage = Stage::kEncoding;
  owned->admitted = absl::Now();
  owned->encoded = owned->admitted;
  metrics->prompt_tokens.Increment(static_cast<double>(owned->request.input_ids.size()));
  metrics->queue_duration.Observe(Seconds(owned->admitted - owned->submitted));
  running.emplace(owned->id, std::move(owned));
  ShowRunning();
  return true;
}

void Scheduler::Impl::Step() {
  events.clear();
  const StepStats stats = engine->Step(&events);
  if (stats.encode_tokens > 0) metrics->encode_steps.Increment();
  if (stats.decode_rows > 0) {
    metrics->decode_steps.Increment();
    metrics->batch_size.Observe(stats.decode_rows);
    metrics->batch_lanes.Observe(stats.lanes);
    metrics->dense_rows.Increment(stats.decode_rows - stats.basis_rows);
    metrics->basis_rows.Increment(stats.basis_rows);
    metrics->draft_tokens.Increment(stats.draft_tokens);
    metrics->draft_tokens_accepted.Increment(stats.draft_accepted);
  }
  const absl::Time now = absl::Now();
  for (EngineEvent& event : events) Deliver(event, now);
}

void Scheduler::Impl::Deliver(EngineEvent& event, absl::Time now) {
  const auto found = running.find(event.id);
  if (found == running.end()) return;
  PendingRequest& request = *found->second;
  switch (event.kind) {
    case EngineEvent::Kind::kEncoded:
      request.stage = Stage::kDecoding;
      request.encoded = now;
      metrics->encode_duration.Observe(Seconds(now - request.admitted));
      return;
    case EngineEvent::Kind::kToken:
      CountToken(request, now);
      if (request.callbacks.on_token) request.callbacks.on_token(event.token);
      return;
    case EngineEvent::Kind::kFinished:
      Finish(event, now);
      return;
  }
}

void Scheduler::Impl::CountToken(PendingRequest& request, absl::Time now) {
  metrics->generated_tokens.Increment();
  if (request.streamed_tokens++ > 0) return;
  request.first_token = now;
  metrics->time_to_first_token.Observe(Seconds(now - request.submitted));
}

void Scheduler::Impl::Finish(EngineEvent& event, absl::Time now) {
  std::unique_ptr<PendingRequest> request = Leave(event.id);
  const auto tokens = static_cast<int32_t>(event.generation.tokens.size());
  while (request->streamed_tokens < tokens) CountToken(*request, now);  // Beams speak at the end.

  SummaryResult result;
  result.generation = std::move(event.generation);
  result.cache = request->lease.outcome;
  result.path = request->path;
  result.times.mix = event.mix_time;
  result.times.queue = request->admitted - request->submitted;
  result.times.encode = request->encoded - request->admitted;
  result.times.decode = now - request->encoded;
  result.times.first_token = (tokens > 0 ? request->first_token : now) - request->submitted;
  metrics->request_mix_duration.Observe(Seconds(result.times.mix));
  metrics->decode_duration.Observe(Seconds(result.times.decode));
  if (tokens > 0) metrics->time_per_output_token.Observe(Seconds(result.times.decode) / tokens);
  queue->End(std::move(request), std::move(result));
}

// Null for an unknown id.
std::unique_ptr<PendingRequest> Scheduler::Impl::Leave(uint64_t id) {
  const auto found = running.find(id);
  if (found == running.end()) return nullptr;
  std::unique_ptr<PendingRequest> request = std::move(found->second);
  running.erase(found);
  memory_short = false;
  ShowRunning();
  return request;
}

void Scheduler::Impl::ShowRunning() {
  running_count = static_cast<int>(running.size());
  metrics->requests_running.Set(static_cast<double>(running.size()));
}

Scheduler::Scheduler(const SchedulerOptions& options, std::unique_ptr<Engine> engine, MixedWeightCache* cache,
                     Metrics* metrics)
    : impl_(std::make_unique<Impl>(options, std::move(engine), cache, metrics)) {}

Scheduler::~Scheduler() {
  Drain(absl::InfinitePast());
  impl_->queue->Stop();
  impl_->thread.join();
}

uint64_t Scheduler::Submit(SummaryRequest request, SummaryCallbacks callbacks) {
  std::unique_ptr<PendingRequest> pending = impl_->NewRequest({std::move(request), std::move(callbacks)});
  const uint64_t id = pending->id;
  absl::Status status = impl_->Check(*pending);
  if (status.ok()) status = impl_->queue->Add({&pending, 1}).status();
  if (!status.ok()) pending->callbacks.on_done(std::move(status));
  return id;
}

absl::StatusOr<std::vector<uint64_t>> Scheduler::SubmitTogether(std::vector<Submission> submissions) {
  std::vector<std::unique_ptr<PendingRequest>> pending;
  std::vector<uint64_t> ids;
  for (Submission& submission : submissions) {
    pending.push_back(impl_->NewRequest(std::move(submission)));
    ids.push_back(pending.back()->id);
    RETURN_IF_ERROR(impl_->Check(*pending.back()));
  }
  ASSIGN_OR_RETURN(const size_t taken, impl_->queue->Add(pending));
  ids.resize(taken);
  return ids;
}

absl::Status Scheduler::CheckRoom(const Parameters& parameters, const Coefficients& coefficients) {
  return impl_->queue->CheckRoom(LaneOf(parameters, coefficients));
}

void Scheduler::Cancel(uint64_t id) { impl_->queue->Cancel(id); }

void Scheduler::Drain(absl::Time deadline) {
  impl_->queue->StartDrain(deadline);
  impl_->queue->AwaitAllEnded();
}

int Scheduler::waiting() const { return impl_->queue->size(); }
int Scheduler::running() const { return impl_->running_count; }

}  // namespace trimtab
