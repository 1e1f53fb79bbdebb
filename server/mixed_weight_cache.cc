#include "server/mixed_weight_cache.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "model/status_macros.h"
#include "server/job_thread.h"
#include "server/mutex.h"

namespace trimtab {
namespace {

constexpr int64_t kMinEntryBytes = 4096;
// Keys whose uses over the basis are remembered; then all are forgotten.
constexpr size_t kMaxBasisKeys = 4096;

// Resident mixed weights. Guarded by the mutex of their state, but for the constants.
struct Entry {
  const std::string key;
  const std::string version;
  const Coefficients coefficients;
  const std::shared_ptr<const MixedWeights> weights;
  const int64_t bytes;
  const double cost;  // Of mixing one byte of it: sets read.
  int64_t uses = 0;
  double worth = 0.0;
  int pins = 0;
  bool made = false;  // Whoever had it made is done, so most of it is mixed.
};

struct LessWorth {
  bool operator()(const std::shared_ptr<Entry>& a, const std::shared_ptr<Entry>& b) const {
    return std::pair(a->worth, a.get()) < std::pair(b->worth, b.get());
  }
};

using KeySet = absl::flat_hash_set<std::string>;

// Mixtures to make in the background.
struct Job {
  std::shared_ptr<const Parameters> parameters;
  std::vector<Coefficients> keys;
  bool promotion = false;
  MixedWeightCache::OnPrewarmed on_key = nullptr;
};

// Shared by the cache and its leases: a lease may outlive the cache.
struct State {
  Mutex mutex;
  CondVar changed;  // A job was queued or is done, or the cache closes.
  bool closed ABSL_GUARDED_BY(mutex) = false;
  absl::flat_hash_map<std::string, std::shared_ptr<Entry>> entries ABSL_GUARDED_BY(mutex);
  std::set<std::shared_ptr<Entry>, LessWorth> idle ABSL_GUARDED_BY(mutex);  // Unpinned.
  int64_t bytes ABSL_GUARDED_BY(mutex) = 0;                                 // Resident and reserved.
  int64_t reserved ABSL_GUARDED_BY(mutex) = 0;  // By mixes under way that no request waits for.
  int64_t returned ABSL_GUARDED_BY(mutex) = 0;  // Of these, since the start.
  double evicted_worth ABSL_GUARDED_BY(mutex) = 0.0;
  std::string only_version ABSL_GUARDED_BY(mutex);  // All others go when they are not in use; empty: all may stay.
  absl::flat_hash_map<std::string, int> basis_uses ABSL_GUARDED_BY(mutex);
  std::deque<Job> jobs ABSL_GUARDED_BY(mutex);
  bool working ABSL_GUARDED_BY(mutex) = false;
  bool preparing ABSL_GUARDED_BY(mutex) = false;
  MixedWeightCache::Stats stats ABSL_GUARDED_BY(mutex);
};

std::string VersionOf(const Parameters& parameters) {
  const ParameterVersion& version = parameters.version();
  return absl::StrCat(version.epoch, "/", version.sequence, "/", version.digest, "/");
}

std::string KeyOf(const Parameters& parameters, const Coefficients& coefficients) {
  return VersionOf(parameters) + coefficients.Key();
}

double CostOf(const Coefficients& coefficients) {
  const std::vector<float>& c = coefficients.values();
  return static_cast<double>(c.size() - std::count(c.begin(), c.end(), 0.0f));
}

bool MayStay(const State& state, absl::string_view version) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state.mutex) {
  return state.only_version.empty() || version == state.only_version;
}

// Lets go of `entry` under the lock, so that an eviction which follows frees it at once. Unless the cache is closed,
// the cache owns it too.
void Unpin(State& state, std::shared_ptr<Entry> entry) {
  MutexLock lock(state.mutex);
  entry->made = true;
  if (--entry->pins > 0 || state.closed) {
    entry.reset();
    return;
  }
  if (!MayStay(state, entry->version)) {
    state.bytes -= entry->bytes;
    state.entries.erase(entry->key);
    entry.reset();
    return;
  }
  entry->worth = state.evicted_worth + static_cast<double>(entry->uses) * entry->cost;
  state.idle.insert(std::move(entry));
}

void Pin(State& state, const std::shared_ptr<Entry>& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state.mutex) {
  ++entry->uses;
  if (entry->pins++ > 0) return;
  state.idle.erase(entry);
}

// Wraps one pin that `entry` already counts.
std::shared_ptr<const MixedWeights> PinnedWeights(std::shared_ptr<State> state, std::shared_ptr<Entry> entry) {
  const MixedWeights* weights = entry->weights.get();
  return {weights, [state = std::move(state), entry = std::move(entry)](const MixedWeights*) mutable {
            Unpin(*state, std::move(entry));
          }};
}

}  // namespace

struct MixedWeightCache::Impl {
  Impl(const Options& options, MakeFunction make, Metrics* metrics)
      : options(options), make(std::move(make)), metrics(metrics), state(std::make_shared<State>()) {
    metrics->cache_capacity_bytes.Set(static_cast<double>(options.byte_budget));
    background = std::thread([this] { RunJobs(); });
  }

  struct Hot {
    Coefficients coefficients;
    double worth;
    int64_t uses;
  };

  absl::StatusOr<MixedWeightLease> Acquire(std::shared_ptr<const Parameters> parameters,
                                           const Coefficients& coefficients);
  absl::StatusOr<std::shared_ptr<Entry>> MakeOnUse(std::shared_ptr<const Parameters> parameters,
                                                   const Coefficients& coefficients)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state->mutex);
  void Count(CacheOutcome outcome) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state->mutex);

  void RunJobs();
  std::vector<Hot> HotKeys(const std::string& version) const;
  bool ReserveForRemix(int64_t bytes, double worth);
  void KeepOnly(const Parameters& parameters);
  void Run(const Job& job);
  absl::Status MakeResident(const Job& job, const Coefficients& coefficients, const KeySet& keep);
  absl::StatusOr<bool> Reserve(const Job& job, const Coefficients& coefficients, const KeySet& keep);
  // Mixes `coefficients` in room that was reserved, and adds them as used so often; gives the room back where that
  // fails, or (false) where they are there by now or, unless they are `early`, may not stay any more.
  absl::StatusOr<bool> MixReserved(std::shared_ptr<const Parameters> parameters, const Coefficients& coefficients,
                                   int64_t uses, bool early);
  bool EvictFor(int64_t bytes, double worth, const KeySet& keep = {}) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state->mutex);
  // Whether a mixture fits beside what would be reserved then: a request that is alone must always find room.
  bool LeavesRoom(int64_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(state->mutex) {
    return state->reserved + 2 * bytes <= options.byte_budget;
  }
  void TakeRoom(int64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state->mutex) {
    state->bytes += bytes;
    state->reserved += bytes;
    ShowUse();
  }
  void PrepareRoom(int64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state->mutex);
  void ShowUse() ABSL_EXCLUSIVE_LOCKS_REQUIRED(state->mutex) {
    metrics->cache_bytes.Set(static_cast<double>(state->bytes));
    metrics->cache_entries.Set(static_cast<double>(state->entries.size()));
  }

  const Options options;
  const MakeFunction make;
  Metrics* const metrics;
  const std::shared_ptr<State> state;
  std::thread background;
  JobThread preparer{JobThread::Priority::kIdle};
};

// For the next mixture, where the budget has room for it.
void MixedWeightCache::Impl::PrepareRoom(int64_t bytes) {
  if (options.prepare == nullptr || state->bytes + bytes > options.byte_budget) return;
  state->preparing = true;
  preparer.SetAlarm(std::chrono::steady_clock::now(), [this, bytes] {
    options.prepare(bytes);
    MutexLock lock(state->mutex);
    state->preparing = false;
    state->changed.NotifyAll();
  });
}

// Makes room by evicting entries of less than `worth` that are not in `keep`. False, and nothing evicted, where that is
// not enough.
bool MixedWeightCache::Impl::EvictFor(int64_t bytes, double worth, const KeySet& keep) {
  int64_t room = options.byte_budget - state->bytes;
  std::vector<std::shared_ptr<Entry>> victims;
  for (auto next = state->idle.begin(); room < bytes && next != state->idle.end() && (*next)->worth < worth; ++next) {
    if (keep.contains((*next)->key)) continue;
    room += (*next)->bytes;
    victims.push_back(*next);
  }
  if (room < bytes) return false;
  for (const std::shared_ptr<Entry>& victim : victims) {
    state->idle.erase(victim);
    state->evicted_worth = victim->worth;
    state->bytes -= victim->bytes;
    state->entries.erase(victim->key);
    ++state->stats.evictions;
    metrics->cache_evictions.Increment();
  }
  return true;
}

// Once the cache is closed the jobs that are left end at once.
void MixedWeightCache::Impl::RunJobs() {
  while (true) {
    std::optional<Job> job;
    {
      MutexLock lock(state->mutex);
      state->working = false;
      state->changed.NotifyAll();
      while (!state->closed && state->jobs.empty()) state->changed.Wait(state->mutex);
      if (state->jobs.empty()) return;
      job = std::move(state->jobs.front());
      state->jobs.pop_front();
      state->working = true;
    }
    Run(*job);
  }
}

void MixedWeightCache::Impl::Run(const Job& job) {
  KeySet made;  // By this job, which does not evict its own.
  for (size_t i = 0; i < job.keys.size(); ++i) {
    const absl::Status status = MakeResident(job, job.keys[i], made);
    if (status.ok()) made.insert(KeyOf(*job.parameters, job.keys[i]));
    if (job.on_key != nullptr && !job.on_key(i, status)) return;
  }
}

absl::Status MixedWeightCache::Impl::MakeResident(const Job& job, const Coefficients& coefficients,
                                                  const KeySet& keep) {
  ASSIGN_OR_RETURN(const bool reserved, Reserve(job, coefficients, keep));
  if (!reserved) return absl::OkStatus();
  ASSIGN_OR_RETURN(const bool added, MixReserved(job.parameters, coefficients, /*uses=*/1, /*early=*/false));
  if (!added || !job.promotion) return absl::OkStatus();
  MutexLock lock(state->mutex);
  ++state->stats.promotions;
  metrics->cache_promotions.Increment();
  return absl::OkStatus();
}

// False where the mixture is there.
absl::StatusOr<bool> MixedWeightCache::Impl::Reserve(const Job& job, const Coefficients& coefficients,
                                                     const KeySet& keep) {
  const std::string version = VersionOf(*job.parameters), key = version + coefficients.Key();
  MutexLock lock(state->mutex);
  if (state->closed) return absl::CancelledError("the server is stopping");
  if (state->entries.contains(key)) return false;
  if (!MayStay(*state, version)) return absl::CancelledError("newer parameters are served: ask again");
  const auto uses = state->basis_uses.find(key);
  const double worth = job.promotion && uses != state->basis_uses.end()
                           ? state->evicted_worth + uses->second * CostOf(coefficients)
                           : std::numeric_limits<double>::infinity();
  const int64_t bytes = EntryBytes(*job.parameters);
  if ((state->reserved > 0 && !LeavesRoom(bytes)) || !EvictFor(bytes, worth, keep)) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "one mixture takes ", bytes, " bytes, and the mixed-weight cache of ", options.byte_budget,
        " is full of what is in use or was mixed just before: raise its budget or ask for fewer weightings"));
  }
  TakeRoom(bytes);
  return true;
}

absl::StatusOr<bool> MixedWeightCache::Impl::MixReserved(std::shared_ptr<const Parameters> parameters,
                                                         const Coefficients& coefficients, int64_t uses, bool early) {
  const std::string version = VersionOf(*parameters), key = version + coefficients.Key();
  const int64_t bytes = EntryBytes(*parameters);
  const absl::Time start = absl::Now();
  absl::StatusOr<std::shared_ptr<const MixedWeights>> mixed = make(std::move(parameters), coefficients, MixTime::kNow);
  metrics->mix_duration.Observe(absl::ToDoubleSeconds(absl::Now() - start));

  const absl::Status status = mixed.status();
  MutexLock lock(state->mutex);
  state->reserved -= bytes;
  state->returned += bytes;
  state->changed.NotifyAll();
  // A request may have come first and had it made, or newer parameters been published.
  const bool wanted = mixed.ok() && !state->entries.contains(key) && (early || MayStay(*state, version));
  if (wanted) {
    auto entry =
        std::make_shared<Entry>(Entry{key, version, coefficients, *std::move(mixed), bytes, CostOf(coefficients)});
    entry->uses = uses;
    entry->made = true;
    entry->worth = state->evicted_worth + static_cast<double>(uses) * entry->cost;
    state->idle.insert(entry);
    state->entries.emplace(key, std::move(entry));
  } else {
    mixed = absl::CancelledError("not needed");  // Gone before its bytes are.
    state->bytes -= bytes;
  }
  ShowUse();
  PrepareRoom(bytes);
  RETURN_IF_ERROR(status);
  return wanted;
}

// What is resident of a version, the most worthy first.
std::vector<MixedWeightCache::Impl::Hot> MixedWeightCache::Impl::HotKeys(const std::string& version) const {
  std::vector<Hot> hot;
  MutexLock lock(state->mutex);
  for (const auto& [key, entry] : state->entries) {
    if (entry->version != version) continue;
    const double in_use = state->evicted_worth + static_cast<double>(entry->uses) * entry->cost;
    hot.push_back({entry->coefficients, entry->pins > 0 ? in_use : entry->worth, entry->uses});
  }
  std::sort(hot.begin(), hot.end(), [](const Hot& a, const Hot& b) { return a.worth > b.worth; });
  return hot;
}

bool MixedWeightCache::Impl::ReserveForRemix(int64_t bytes, double worth) {
  MutexLock lock(state->mutex);
  if (!LeavesRoom(bytes) || !EvictFor(bytes, worth)) return false;
  TakeRoom(bytes);
  return true;
}

int MixedWeightCache::Remix(const Parameters& old, const std::shared_ptr<const Parameters>& next,
                            const std::function<bool()>& go_on) {
  int mixed = 0;
  for (const Impl::Hot& key : impl_->HotKeys(VersionOf(old))) {
    if (Holds(*next, key.coefficients)) continue;
    if (!go_on() || !impl_->ReserveForRemix(EntryBytes(*next), key.worth)) break;
    mixed += impl_->MixReserved(next, key.coefficients, key.uses, /*early=*/true).value_or(false);
  }
  return mixed;
}

void MixedWeightCache::Impl::KeepOnly(const Parameters& parameters) {
  MutexLock lock(state->mutex);
  state->only_version = VersionOf(parameters);
  for (auto next = state->idle.begin(); next != state->idle.end();) {
    if (MayStay(*state, (*next)->version)) {
      ++next;
      continue;
    }
    state->bytes -= (*next)->bytes;
    state->entries.erase((*next)->key);
    next = state->idle.erase(next);
  }
  ShowUse();
  PrepareRoom(EntryBytes(parameters));
}

void MixedWeightCache::KeepOnly(const Parameters& parameters) { impl_->KeepOnly(parameters); }

int64_t MixedWeightCache::EntryBytes(const Parameters& parameters) {
  return std::max(kMinEntryBytes, MixedWeights::Bytes(parameters));
}

MixedWeightCache::MixedWeightCache(const Options& options, MakeFunction make, Metrics* metrics)
    : impl_(std::make_unique<Impl>(options, std::move(make), metrics)) {}

MixedWeightCache::~MixedWeightCache() {
  State& state = *impl_->state;
  {
    MutexLock lock(state.mutex);
    state.closed = true;
    state.changed.NotifyAll();
  }
  impl_->background.join();
  // Leased entries live on in their leases; the rest goes here, not when the last lease does.
  MutexLock lock(state.mutex);
  state.entries.clear();
  state.idle.clear();
}

absl::StatusOr<MixedWeightLease> MixedWeightCache::Acquire(std::shared_ptr<const Parameters> parameters,
                                                           const Coefficients& coefficients) {
  return impl_->Acquire(std::move(parameters), coefficients);
}

absl::StatusOr<MixedWeightLease> MixedWeightCache::Impl::Acquire(std::shared_ptr<const Parameters> parameters,
                                                                 const Coefficients& coefficients) {
  const std::string key = KeyOf(*parameters, coefficients);
  std::shared_ptr<Entry> entry;
  CacheOutcome outcome = CacheOutcome::kMiss;
  MutexLock lock(state->mutex);
  if (const auto found = state->entries.find(key); found != state->entries.end()) {
    entry = found->second;
    outcome = entry->made ? CacheOutcome::kHit : CacheOutcome::kShared;
    Pin(*state, entry);
  } else {
    ASSIGN_OR_RETURN(entry, MakeOnUse(std::move(parameters), coefficients));
  }
  Count(outcome);
  return MixedWeightLease{PinnedWeights(state, std::move(entry)), outcome};
}

// A new entry with one pin.
absl::StatusOr<std::shared_ptr<Entry>> MixedWeightCache::Impl::MakeOnUse(std::shared_ptr<const Parameters> parameters,
                                                                         const Coefficients& coefficients) {
  const std::string version = VersionOf(*parameters), key = version + coefficients.Key();
  const int64_t bytes = EntryBytes(*parameters);
  if (bytes > options.byte_budget) {
    return absl::ResourceExhaustedError(absl::StrCat("one mixture takes ", bytes,
                                                     " bytes, the mixed-weight cache may hold ", options.byte_budget,
                                                     ": raise its budget"));
  }
  if (!EvictFor(bytes, std::numeric_limits<double>::infinity())) {
    ++state->stats.unavailable;
    return absl::UnavailableError("all mixed weights are in use");
  }
  absl::StatusOr<std::shared_ptr<const MixedWeights>> made = make(std::move(parameters), coefficients, MixTime::kOnUse);
  if (!made.ok()) {
    ShowUse();
    return made.status();
  }
  auto entry =
      std::make_shared<Entry>(Entry{key, version, coefficients, *std::move(made), bytes, CostOf(coefficients)});
  entry->uses = entry->pins = 1;
  state->bytes += bytes;
  state->entries.emplace(key, entry);
  ShowUse();
  PrepareRoom(bytes);
  return entry;
}

void MixedWeightCache::Impl::Count(CacheOutcome outcome) {
  state->stats.hits += outcome == CacheOutcome::kHit;
  state->stats.misses += outcome == CacheOutcome::kMiss;
  state->stats.shared += outcome == CacheOutcome::kShared;
  (outcome == CacheOutcome::kHit    ? metrics->cache_hits
   : outcome == CacheOutcome::kMiss ? metrics->cache_misses
                                    : metrics->cache_coalesced)
      .Increment();
}

absl::StatusOr<MixedWeightLease> MixedWeightCache::AcquireBasis(std::shared_ptr<const Parameters> parameters,
                                                                const Coefficients& coefficients) {
  absl::StatusOr<std::shared_ptr<const MixedWeights>> made = impl_->make(parameters, coefficients, MixTime::kNever);
  if (!made.ok()) return made.status();
  State& state = *impl_->state;
  MutexLock lock(state.mutex);
  ++state.stats.basis;
  impl_->metrics->cache_basis.Increment();
  if (state.basis_uses.size() >= kMaxBasisKeys) state.basis_uses.clear();
  if (++state.basis_uses[KeyOf(*parameters, coefficients)] == impl_->options.promote_after) {
    state.jobs.push_back({std::move(parameters), {coefficients}, true});
    state.changed.NotifyAll();
  }
  return MixedWeightLease{*std::move(made), CacheOutcome::kBasis};
}

bool MixedWeightCache::AwaitRoom() {
  State& state = *impl_->state;
  MutexLock lock(state.mutex);
  if (state.reserved == 0) return false;
  const int64_t returned = state.returned;
  while (state.returned == returned) state.changed.Wait(state.mutex);
  return true;
}

bool MixedWeightCache::Holds(const Parameters& parameters, const Coefficients& coefficients) const {
  MutexLock lock(impl_->state->mutex);
  return impl_->state->entries.contains(KeyOf(parameters, coefficients));
}

void MixedWeightCache::Prewarm(std::shared_ptr<const Parameters> parameters, std::vector<Coefficients> keys,
                               OnPrewarmed on_key) {
  MutexLock lock(impl_->state->mutex);
  impl_->state->jobs.push_back({std::move(parameters), std::move(keys), false, std::move(on_key)});
  impl_->state->changed.NotifyAll();
}

void MixedWeightCache::AwaitBackground() const {
  State& state = *impl_->state;
  MutexLock lock(state.mutex);
  while (state.working || state.preparing || !state.jobs.empty()) state.changed.Wait(state.mutex);
}

MixedWeightCache::Stats MixedWeightCache::stats() const {
  MutexLock lock(impl_->state->mutex);
  Stats stats = impl_->state->stats;
  stats.entries = static_cast<int64_t>(impl_->state->entries.size());
  stats.bytes = impl_->state->bytes;
  return stats;
}

}  // namespace trimtab
