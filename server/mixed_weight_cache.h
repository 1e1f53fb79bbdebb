#ifndef TRIMTAB_SERVER_MIXED_WEIGHT_CACHE_H_
#define TRIMTAB_SERVER_MIXED_WEIGHT_CACHE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "model/mixed_weights.h"
#include "server/metrics.h"

namespace trimtab {

// How a request came by its weights.
enum class CacheOutcome {
  kHit,     // Its mixture was resident.
  kMiss,    // Its mixture was made for it.
  kShared,  // Its mixture was being made for another request, and served both.
  kBasis,   // It runs over the basis and needs none.
};

struct MixedWeightLease {
  std::shared_ptr<const MixedWeights> weights;  // Pins the entry: it is not evicted while a lease on it lives.
  CacheOutcome outcome = CacheOutcome::kHit;
};

// Mixed weights by (version, coefficients) within a byte budget that is never exceeded, mixes in the background
// included. Each key is mixed once however many ask: an entry's matrices are mixed as the engine comes to them
// (MixTime::kOnUse), so nobody waits for a mix.
//
// Eviction takes, among unpinned entries, the one with the least worth: its uses times the cost of mixing one byte
// again, on top of the worth of what was evicted last when it was used last. So what is used often outlives what was
// used once, and what is used no more ages away.
//
// Keys that are often served over the basis are mixed in the background when the budget has room for them.
//
// Thread-safe. Lock order: the cache's lock, under which `make` runs for MixTime::kOnUse, then those of its own
// threads.
class MixedWeightCache {
 public:
  using MakeFunction = std::function<absl::StatusOr<std::shared_ptr<const MixedWeights>>(
      std::shared_ptr<const Parameters>, const Coefficients&, MixTime)>;

  // What a mixture of `parameters` counts as: at least a little, so that weights without conditioned matrices cannot
  // pile up for nothing.
  static int64_t EntryBytes(const Parameters& parameters);

  struct Options {
    int64_t byte_budget = int64_t{1} << 30;
    int promote_after = 3;  // Uses over the basis.
    // Has the memory of so many bytes at hand, for the mixture of a key nobody asked for yet: memory that is new to a
    // process costs more than mixing. May be null. Called on a thread of its own that runs while others rest, as often
    // as the budget has room for one more mixture.
    std::function<void(int64_t bytes)> prepare = nullptr;
  };

  // `make` runs on the callers' threads, quickly, and with MixTime::kNow on a thread of the cache. `metrics` must
  // outlive the cache.
  MixedWeightCache(const Options& options, MakeFunction make, Metrics* metrics);
  // Leases may outlive the cache.
  ~MixedWeightCache();

  // ResourceExhausted where one mixture alone is larger than the budget. Unavailable where all room is pinned or taken
  // by a mix in the background: try again when a lease has ended or AwaitRoom has returned. Both change nothing.
  absl::StatusOr<MixedWeightLease> Acquire(std::shared_ptr<const Parameters> parameters,
                                           const Coefficients& coefficients);
  // Weights that run over the basis and take no room here.
  absl::StatusOr<MixedWeightLease> AcquireBasis(std::shared_ptr<const Parameters> parameters,
                                                const Coefficients& coefficients);
  // Blocks until a mix in the background gives back the room it took. False where none has any.
  bool AwaitRoom();
  bool Holds(const Parameters& parameters, const Coefficients& coefficients) const;

  // Told what became of one key, by its index; returns whether to go on.
  using OnPrewarmed = std::function<bool(size_t index, const absl::Status& status)>;
  // Mixes in the background, key after key, what is not resident; evicts what is neither pinned nor of this call where
  // it must. `on_key` may be null; it is called on the cache's thread, where it must not block, for each key until it
  // returns false: OK: resident; ResourceExhausted: no room; Cancelled: the cache goes.
  void Prewarm(std::shared_ptr<const Parameters> parameters, std::vector<Coefficients> keys,
               OnPrewarmed on_key = nullptr);
  // Mixes again for `next` what is resident of `old`, the most worthy first, on this thread, each in the place of what
  // is worth less; stops where nothing is, or when `go_on`, asked before each, says so. So at best half of what is hot
  // is there for both versions at once; and nothing is where a mixture would not fit beside the one being mixed, so
  // that a request which is alone always finds room. Returns how many were mixed.
  int Remix(const Parameters& old, const std::shared_ptr<const Parameters>& next, const std::function<bool()>& go_on);
  // From now on mixtures of other versions than `parameters` are let go as soon as nobody uses them.
  void KeepOnly(const Parameters& parameters);
  void AwaitBackground() const;  // Blocks until nothing is queued, mixed or prepared.

  struct Stats {
    int64_t hits = 0, misses = 0, shared = 0, basis = 0, evictions = 0, promotions = 0;
    int64_t unavailable = 0;  // Times that Acquire found no room.
    int64_t entries = 0, bytes = 0;
  };
  Stats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_MIXED_WEIGHT_CACHE_H_
