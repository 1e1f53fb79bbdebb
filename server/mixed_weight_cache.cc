#include "server/mixed_weight_cache.h"

#include <algorithm>
#include <deque>
#include <list>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/mutex.h"

namespace trimtab {
namespace {

// What an entry counts at least, so that weights without conditioned matrices cannot pile up for nothing.
constexpr int64_t kMinEntryBytes = 4096;

// Resident mixed weights. Guarded by the mutex of their state, but for the constants.
struct Entry {
  const std::string key;
  const std::shared_ptr<const MixedWeights> weights;
  const int64_t bytes;
  int pins = 0;
  std::list<std::shared_ptr<Entry>>::iterator idle_at;  // Valid while pins == 0.
};

// A mix that is queued or under way. Its waiters are guarded by the mutex of its state.
struct Flight {
  const std::string key;
  const std::shared_ptr<const Parameters> parameters;
  const Coefficients coefficients;
  const int64_t bytes;
  std::vector<MixedWeightCache::Callback> waiters;  // The first one caused the mix.
};

// Shared by the cache and its leases: a lease may outlive the cache.
struct State {
  Mutex mutex;
  CondVar changed;  // Room may have been made, a flight was queued, or the cache closes.
  bool closed ABSL_GUARDED_BY(mutex) = false;
  absl::flat_hash_map<std::string, std::shared_ptr<Entry>> entries ABSL_GUARDED_BY(mutex);
  absl::flat_hash_map<std::string, std::shared_ptr<Flight>> flights ABSL_GUARDED_BY(mutex);  // Under way included.
  std::deque<std::shared_ptr<Flight>> queue ABSL_GUARDED_BY(mutex);                          // Not begun.
  std::list<std::shared_ptr<Entry>> idle ABSL_GUARDED_BY(mutex);  // Unpinned; the longest unused first.
  int64_t idle_bytes ABSL_GUARDED_BY(mutex) = 0;
  int64_t bytes ABSL_GUARDED_BY(mutex) = 0;  // Resident, reserved by mixes under way, and being freed.
  MixedWeightCache::Stats stats ABSL_GUARDED_BY(mutex);
};

std::string KeyOf(const Parameters& parameters, const Coefficients& coefficients) {
  const ParameterVersion& version = parameters.version();
  return absl::StrCat(version.epoch, "/", version.sequence, "/", version.digest, "/", coefficients.Key());
}

// Lets go of `entry` under the lock, so that an eviction which follows frees it at once. Unless the cache is closed,
// the cache owns it too.
void Unpin(State& state, std::shared_ptr<Entry> entry) {
  MutexLock lock(state.mutex);
  if (--entry->pins > 0) {
    entry.reset();
    return;
  }
  if (state.closed) return;
  Entry& idle = *entry;
  idle.idle_at = state.idle.insert(state.idle.end(), std::move(entry));
  state.idle_bytes += idle.bytes;
  if (!state.queue.empty()) state.changed.NotifyAll();
}

void Pin(State& state, Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state.mutex) {
  if (entry.pins++ > 0) return;
  state.idle.erase(entry.idle_at);
  state.idle_bytes -= entry.bytes;
}

// Wraps one pin that `entry` already counts.
std::shared_ptr<const MixedWeights> PinnedWeights(std::shared_ptr<State> state, std::shared_ptr<Entry> entry) {
  const MixedWeights* weights = entry->weights.get();
  return {weights, [state = std::move(state), entry = std::move(entry)](const MixedWeights*) mutable {
            Unpin(*state, std::move(entry));
          }};
}

// Waiters of all flights, which are forgotten.
std::vector<MixedWeightCache::Callback> Close(State& state) {
  std::vector<MixedWeightCache::Callback> waiters;
  MutexLock lock(state.mutex);
  state.closed = true;
  for (auto& [key, flight] : state.flights) {
    for (auto& waiter : flight->waiters) waiters.push_back(std::move(waiter));
    flight->waiters.clear();
  }
  state.queue.clear();
  state.changed.NotifyAll();
  return waiters;
}

}  // namespace

struct MixedWeightCache::Impl {
  Impl(const Options& options, MixFunction mix, Metrics* metrics)
      : byte_budget(options.byte_budget), mix(std::move(mix)), metrics(metrics), state(std::make_shared<State>()) {
    metrics->cache_capacity_bytes.Set(static_cast<double>(byte_budget));
    for (int i = 0; i < std::max(1, options.mixer_threads); ++i) mixers.emplace_back([this] { MixLoop(); });
  }

  void Acquire(std::shared_ptr<const Parameters> parameters, const Coefficients& coefficients, Callback done);
  void MixLoop();
  std::shared_ptr<Flight> Begin();
  void Finish(Flight& flight, absl::StatusOr<std::shared_ptr<const MixedWeights>> mixed, absl::Duration mix_time);
  void ShowUse() ABSL_EXCLUSIVE_LOCKS_REQUIRED(state->mutex) {
    metrics->cache_bytes.Set(static_cast<double>(state->bytes));
    metrics->cache_entries.Set(static_cast<double>(state->entries.size()));
  }

  const int64_t byte_budget;
  const MixFunction mix;
  Metrics* const metrics;
  const std::shared_ptr<State> state;
  std::vector<std::thread> mixers;
};

void MixedWeightCache::Impl::Acquire(std::shared_ptr<const Parameters> parameters, const Coefficients& coefficients,
                                     Callback done) {
  const int64_t bytes = std::max(kMinEntryBytes, MixedWeights::Bytes(*parameters));
  const std::string key = KeyOf(*parameters, coefficients);
  std::shared_ptr<Entry> hit;
  bool closed = false;
  {
    MutexLock lock(state->mutex);
    closed = state->closed;
    const auto entry = state->entries.find(key);
    const auto flight = state->flights.find(key);
    if (closed) {
      // Refused below, without the lock.
    } else if (entry != state->entries.end()) {
      hit = entry->second;
      Pin(*state, *hit);
      ++state->stats.hits;
      metrics->cache_hits.Increment();
    } else if (flight != state->flights.end()) {
      flight->second->waiters.push_back(std::move(done));
      ++state->stats.shared;
      metrics->cache_coalesced.Increment();
      return;
    } else if (bytes <= byte_budget) {
      auto mine = std::make_shared<Flight>(Flight{key, std::move(parameters), coefficients, bytes, {}});
      mine->waiters.push_back(std::move(done));
      state->queue.push_back(mine);
      state->flights.emplace(key, std::move(mine));
      ++state->stats.misses;
      metrics->cache_misses.Increment();
      state->changed.NotifyAll();
      return;
    }
  }
  if (closed) {
    done(absl::CancelledError("the server is stopping"));
  } else if (hit != nullptr) {
    done(MixedWeightLease{PinnedWeights(state, std::move(hit)), CacheOutcome::kHit, absl::ZeroDuration()});
  } else {
    done(absl::ResourceExhaustedError(absl::StrCat("one mixture takes ", bytes,
                                                   " bytes, the mixed-weight cache may "
                                                   "hold ",
                                                   byte_budget, ": raise its budget")));
  }
}

// Waits for the oldest queued flight to fit, evicts what must go and reserves its bytes. Null when the cache closes.
std::shared_ptr<Flight> MixedWeightCache::Impl::Begin() {
  std::shared_ptr<Flight> flight;
  std::vector<std::shared_ptr<Entry>> evicted;
  int64_t freed = 0;
  {
    MutexLock lock(state->mutex);
    while (!state->closed &&
           (state->queue.empty() || state->bytes - state->idle_bytes + state->queue.front()->bytes > byte_budget)) {
      state->changed.Wait(state->mutex);
    }
    if (state->closed) return nullptr;
    flight = std::move(state->queue.front());
    state->queue.pop_front();
    while (state->bytes - freed + flight->bytes > byte_budget) {
      std::shared_ptr<Entry> victim = std::move(state->idle.front());
      state->idle.pop_front();
      state->idle_bytes -= victim->bytes;
      freed += victim->bytes;
      state->entries.erase(victim->key);
      evicted.push_back(std::move(victim));
    }
    state->stats.evictions += static_cast<int64_t>(evicted.size());
    metrics->cache_evictions.Increment(static_cast<double>(evicted.size()));
    // The larger of both until the victims are really gone; then the reservation alone.
    state->bytes += std::max<int64_t>(0, flight->bytes - freed);
    ShowUse();
  }
  evicted.clear();
  if (freed > flight->bytes) {
    MutexLock lock(state->mutex);
    state->bytes -= freed - flight->bytes;
    ShowUse();
    state->changed.NotifyAll();
  }
  return flight;
}

void MixedWeightCache::Impl::Finish(Flight& flight, absl::StatusOr<std::shared_ptr<const MixedWeights>> mixed,
                                    absl::Duration mix_time) {
  std::vector<Callback> waiters;
  std::shared_ptr<Entry> entry;
  {
    MutexLock lock(state->mutex);
    waiters.swap(flight.waiters);
    state->flights.erase(flight.key);
    if (mixed.ok()) {
      entry = std::make_shared<Entry>(Entry{flight.key, std::move(*mixed), flight.bytes, 0, {}});
      entry->pins = static_cast<int>(waiters.size());  // None only when the cache has closed.
      state->entries.emplace(flight.key, entry);
    } else {
      state->bytes -= flight.bytes;
      state->changed.NotifyAll();
    }
    ShowUse();
  }
  for (size_t i = 0; i < waiters.size(); ++i) {
    if (!mixed.ok()) {
      waiters[i](mixed.status());
      continue;
    }
    // The last one takes our hold on the entry along, so that only leases and the cache hold it.
    std::shared_ptr<Entry> hold = i + 1 < waiters.size() ? entry : std::move(entry);
    waiters[i](MixedWeightLease{PinnedWeights(state, std::move(hold)),
                                i == 0 ? CacheOutcome::kMiss : CacheOutcome::kShared, mix_time});
  }
}

void MixedWeightCache::Impl::MixLoop() {
  while (std::shared_ptr<Flight> flight = Begin()) {
    const absl::Time start = absl::Now();
    absl::StatusOr<std::shared_ptr<const MixedWeights>> mixed = mix(flight->parameters, flight->coefficients);
    const absl::Duration mix_time = absl::Now() - start;
    if (mixed.ok()) metrics->mix_duration.Observe(absl::ToDoubleSeconds(mix_time));
    Finish(*flight, std::move(mixed), mix_time);
  }
}

MixedWeightCache::MixedWeightCache(const Options& options, MixFunction mix, Metrics* metrics)
    : impl_(std::make_unique<Impl>(options, std::move(mix), metrics)) {}

MixedWeightCache::~MixedWeightCache() {
  for (Callback& waiter : Close(*impl_->state)) waiter(absl::CancelledError("the server is stopping"));
  for (std::thread& mixer : impl_->mixers) mixer.join();
  // Leased entries live on in their leases; the rest goes here, not when the last lease does.
  absl::flat_hash_map<std::string, std::shared_ptr<Entry>> entries;
  std::list<std::shared_ptr<Entry>> idle;
  MutexLock lock(impl_->state->mutex);
  entries.swap(impl_->state->entries);
  idle.swap(impl_->state->idle);
}

void MixedWeightCache::Acquire(std::shared_ptr<const Parameters> parameters, const Coefficients& coefficients,
                               Callback done) {
  impl_->Acquire(std::move(parameters), coefficients, std::move(done));
}

MixedWeightCache::Stats MixedWeightCache::stats() const {
  MutexLock lock(impl_->state->mutex);
  Stats stats = impl_->state->stats;
  stats.entries = static_cast<int64_t>(impl_->state->entries.size());
  stats.bytes = impl_->state->bytes;
  return stats;
}

}  // namespace trimtab
