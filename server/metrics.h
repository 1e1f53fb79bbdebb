#ifndef TRIMTAB_SERVER_METRICS_H_
#define TRIMTAB_SERVER_METRICS_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "prometheus/counter.h"
#include "prometheus/family.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "server/mutex.h"

namespace trimtab {

// Every series we export, registered at construction, so that a misspelt one does not compile. All names start with
// "trimtab_"; durations are in seconds. The scheduler and the cache write what concerns them; the services write
// `requests`, `request_duration`, the parameters and the build. Thread-safe.
//
// Never label by weighting, request id or text: each label value is a series.
struct Metrics {
  // `registry` must outlive this. REQUIRES: at most one Metrics per registry.
  explicit Metrics(prometheus::Registry& registry);
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // Counts one finished call. `method` is the bare name ("Summarize"), `code` the gRPC one ("DEADLINE_EXCEEDED").
  void CountRequest(absl::string_view method, absl::string_view code, double seconds);
  // Names the build. Call once.
  void SetBuild(absl::string_view version, absl::string_view commit);
  // Names the parameters that new requests get; replaces the digest named before.
  void SetParameters(uint64_t sequence, absl::string_view digest);
  // Counts one commit or activation that ended, by the name of its status code; LEASE_LAPSED for what was never
  // committed.
  void CountUpdate(absl::string_view result);

  // Requests.
  prometheus::Family<prometheus::Counter>& requests;           // requests_total{method,code}
  prometheus::Histogram& request_duration;                     // request_duration_seconds
  prometheus::Histogram& time_to_first_token;                  // time_to_first_token_seconds
  prometheus::Histogram& time_per_output_token;                // time_per_output_token_seconds
  prometheus::Histogram& queue_duration;                       // request_queue_duration_seconds
  prometheus::Histogram& request_mix_duration;                 // request_mix_duration_seconds
  prometheus::Histogram& encode_duration;                      // request_encode_duration_seconds
  prometheus::Histogram& decode_duration;                      // request_decode_duration_seconds
  prometheus::Gauge& requests_running;                         // requests_running
  prometheus::Gauge& requests_waiting;                         // requests_waiting
  prometheus::Gauge& requests_waiting_limit;                   // requests_waiting_limit
  prometheus::Family<prometheus::Counter>& requests_rejected;  // requests_rejected_total{reason}
  prometheus::Counter& rejected_queue_full;
  prometheus::Counter& rejected_displaced;
  prometheus::Counter& rejected_draining;
  prometheus::Counter& rejected_memory;
  prometheus::Gauge& request_memory;                            // request_memory_bytes
  prometheus::Gauge& request_memory_limit;                      // request_memory_limit_bytes
  prometheus::Family<prometheus::Counter>& requests_cancelled;  // requests_cancelled_total{stage}
  prometheus::Counter& cancelled_waiting;
  prometheus::Counter& cancelled_encoding;
  prometheus::Counter& cancelled_decoding;
  prometheus::Counter& prompt_tokens;     // prompt_tokens_total
  prometheus::Counter& generated_tokens;  // generated_tokens_total
  prometheus::Counter& explore_points;    // explore_points_total

  // The batch.
  prometheus::Histogram& batch_size;                     // batch_size: decode rows of one step
  prometheus::Histogram& batch_lanes;                    // batch_lanes: lanes of one step
  prometheus::Family<prometheus::Counter>& batch_steps;  // batch_steps_total{phase}
  prometheus::Counter& encode_steps;
  prometheus::Counter& decode_steps;
  prometheus::Family<prometheus::Counter>& decode_rows;  // decode_rows_total{path}
  prometheus::Counter& dense_rows;
  prometheus::Counter& basis_rows;
  prometheus::Counter& draft_tokens;           // draft_tokens_total
  prometheus::Counter& draft_tokens_accepted;  // draft_tokens_accepted_total

  // The mixed-weight cache.
  prometheus::Counter& cache_hits;          // mix_cache_hits_total
  prometheus::Counter& cache_misses;        // mix_cache_misses_total
  prometheus::Counter& cache_coalesced;     // mix_coalesced_total
  prometheus::Counter& cache_basis;         // mix_cache_basis_total
  prometheus::Counter& cache_promotions;    // mix_cache_promotions_total
  prometheus::Counter& cache_evictions;     // mix_cache_evictions_total
  prometheus::Gauge& cache_entries;         // mix_cache_entries
  prometheus::Gauge& cache_bytes;           // mix_cache_bytes
  prometheus::Gauge& cache_capacity_bytes;  // mix_cache_capacity_bytes
  prometheus::Histogram& mix_duration;      // mix_duration_seconds

  // What is served.
  prometheus::Gauge& params_version;                        // params_version
  prometheus::Family<prometheus::Gauge>& params_info;       // params_info{digest}
  prometheus::Gauge& params_age;                            // params_age_seconds; set when it is read
  prometheus::Family<prometheus::Counter>& params_updates;  // params_updates_total{result}
  prometheus::Counter& params_update_bytes;                 // params_update_bytes_total
  prometheus::Histogram& params_commit_duration;            // params_commit_duration_seconds
  prometheus::Counter& params_damaged;                      // params_damaged_total
  prometheus::Gauge& params_staged_bytes;                   // params_staged_bytes
  prometheus::Family<prometheus::Gauge>& build_info;        // build_info{version,commit}

  // TLS.
  prometheus::Gauge& tls_expiry;                         // tls_certificate_expiry_timestamp_seconds
  prometheus::Family<prometheus::Counter>& tls_reloads;  // tls_reloads_total{result}
  prometheus::Counter& tls_taken;
  prometheus::Counter& tls_refused;

 private:
  Mutex mutex_;
  prometheus::Gauge* current_params_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_METRICS_H_
