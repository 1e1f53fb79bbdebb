#ifndef TRIMTAB_SERVER_MIXED_WEIGHT_CACHE_H_
#define TRIMTAB_SERVER_MIXED_WEIGHT_CACHE_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "model/mixed_weights.h"
#include "server/metrics.h"

namespace trimtab {

// How a request came by its mixed weights.
enum class CacheOutcome {
  kHit,     // They were resident.
  kMiss,    // This request caused the mix.
  kShared,  // Another request's mix was under way and served both.
};

struct MixedWeightLease {
  std::shared_ptr<const MixedWeights> weights;  // Pins the entry: it is not evicted while a lease on it lives.
  CacheOutcome outcome = CacheOutcome::kHit;
  absl::Duration mix_time;  // Of the mix that made them, if this request waited for it; else zero.
};

// Mixed weights by (version, coefficients) within a byte budget that is never exceeded, mixes under way included.
// Each missing key is mixed once however many ask (single flight). Eviction is least recently used among unpinned
// entries; where all are pinned, the mix waits until a lease is let go.
// Thread-safe. Lock order: the cache's lock is a leaf; callbacks run without it.
class MixedWeightCache {
 public:
  using Callback = std::function<void(absl::StatusOr<MixedWeightLease>)>;
  using MixFunction = std::function<absl::StatusOr<std::shared_ptr<const MixedWeights>>(
      std::shared_ptr<const Parameters>, const Coefficients&)>;

  struct Options {
    int64_t byte_budget = int64_t{1} << 30;
    int mixer_threads = 1;
  };

  // `metrics` must outlive the cache. `mix` runs on the mixer threads.
  MixedWeightCache(const Options& options, MixFunction mix, Metrics* metrics);
  // Fails what still waits with Cancelled and joins the mixer threads.
  ~MixedWeightCache();

  // Calls `done` once: at once on this thread for a hit, else later on a mixer thread. ResourceExhausted when one
  // mixture alone is larger than the budget.
  void Acquire(std::shared_ptr<const Parameters> parameters, const Coefficients& coefficients, Callback done);

  struct Stats {
    int64_t hits = 0, misses = 0, shared = 0, evictions = 0;
    int64_t entries = 0, bytes = 0;
  };
  Stats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_MIXED_WEIGHT_CACHE_H_
