#include "server/metrics.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace trimtab {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Registry;
using Buckets = Histogram::BucketBoundaries;

const Buckets& RequestBuckets() {
  static const auto& buckets =
      *new Buckets{.005, .01, .02, .04, .08, .16, .32, .64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92};
  return buckets;
}

// Parts of a request, down to what one pass of a small model takes.
const Buckets& PhaseBuckets() {
  static const auto& buckets = *new Buckets{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30};
  return buckets;
}

const Buckets& TokenBuckets() {
  static const auto& buckets =
      *new Buckets{.0005, .001, .0025, .005, .01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5};
  return buckets;
}

const Buckets& CountBuckets() {
  static const auto& buckets = *new Buckets{1, 2, 4, 8, 16, 32, 64, 128, 256};
  return buckets;
}

std::string FullName(absl::string_view name) { return absl::StrCat("trimtab_", name); }

Family<Counter>& Counters(Registry& registry, absl::string_view name, const char* help) {
  return prometheus::BuildCounter().Name(FullName(name)).Help(help).Register(registry);
}
Counter& OneCounter(Registry& registry, absl::string_view name, const char* help) {
  return Counters(registry, name, help).Add({});
}

Family<Gauge>& Gauges(Registry& registry, absl::string_view name, const char* help) {
  return prometheus::BuildGauge().Name(FullName(name)).Help(help).Register(registry);
}
Gauge& OneGauge(Registry& registry, absl::string_view name, const char* help) {
  return Gauges(registry, name, help).Add({});
}

Histogram& OneHistogram(Registry& registry, absl::string_view name, const Buckets& buckets, const char* help) {
  return prometheus::BuildHistogram().Name(FullName(name)).Help(help).Register(registry).Add({}, buckets);
}

}  // namespace

Metrics::Metrics(Registry& r)
    : requests(Counters(r, "requests_total", "Finished calls by method and gRPC status code.")),
      request_duration(OneHistogram(r, "request_duration_seconds", RequestBuckets(),
                                    "Whole calls, from arrival to the last byte handed to the transport.")),
      time_to_first_token(OneHistogram(r, "time_to_first_token_seconds", RequestBuckets(),
                                       "From submission to the first token; with beams, to the end.")),
      time_per_output_token(OneHistogram(r, "time_per_output_token_seconds", TokenBuckets(),
                                         "Decoding time of a request over its tokens.")),
      queue_duration(
          OneHistogram(r, "request_queue_duration_seconds", PhaseBuckets(), "Wait for a place in the batch.")),
      request_mix_duration(OneHistogram(r, "request_mix_duration_seconds", PhaseBuckets(),
                                        "Of encoding and decoding a request, the part spent on mixing its weights.")),
      encode_duration(OneHistogram(r, "request_encode_duration_seconds", PhaseBuckets(),
                                   "From admission to the end of the encoder pass.")),
      decode_duration(OneHistogram(r, "request_decode_duration_seconds", PhaseBuckets(),
                                   "From the end of the encoder pass to the last token.")),
      requests_running(OneGauge(r, "requests_running", "Requests in the batch now.")),
      requests_waiting(OneGauge(r, "requests_waiting", "Requests that wait for a place in the batch.")),
      requests_waiting_limit(OneGauge(r, "requests_waiting_limit", "What requests_waiting never exceeds.")),
      requests_rejected(
          Counters(r, "requests_rejected_total",
                   "Requests refused by reason: on arrival, or displaced by one of a weighting that fewer wait for.")),
      rejected_queue_full(requests_rejected.Add({{"reason", "queue_full"}})),
      rejected_displaced(requests_rejected.Add({{"reason", "displaced"}})),
      rejected_draining(requests_rejected.Add({{"reason", "draining"}})),
      rejected_memory(requests_rejected.Add({{"reason", "memory"}})),
      request_memory(OneGauge(r, "request_memory_bytes", "Memory promised to the calls in the server.")),
      request_memory_limit(OneGauge(r, "request_memory_limit_bytes", "What request_memory_bytes never exceeds.")),
      requests_cancelled(
          Counters(r, "requests_cancelled_total", "Requests ended early (caller, deadline, drain) by stage.")),
      cancelled_waiting(requests_cancelled.Add({{"stage", "waiting"}})),
      cancelled_encoding(requests_cancelled.Add({{"stage", "encoding"}})),
      cancelled_decoding(requests_cancelled.Add({{"stage", "decoding"}})),
      prompt_tokens(OneCounter(r, "prompt_tokens_total", "Input tokens of admitted requests.")),
      generated_tokens(OneCounter(r, "generated_tokens_total", "Output tokens, those of cancelled requests included.")),
      explore_points(OneCounter(r, "explore_points_total", "Summaries written for Explore; equal points once.")),
      batch_size(OneHistogram(r, "batch_size", CountBuckets(), "Decode rows of one step.")),
      batch_lanes(OneHistogram(r, "batch_lanes", CountBuckets(), "Distinct mixed weights in one decode step.")),
      batch_steps(Counters(r, "batch_steps_total", "Engine steps by phase; one step may do both.")),
      encode_steps(batch_steps.Add({{"phase", "encode"}})),
      decode_steps(batch_steps.Add({{"phase", "decode"}})),
      decode_rows(Counters(r, "decode_rows_total", "Rows of decode steps by how their weights were computed.")),
      dense_rows(decode_rows.Add({{"path", "dense"}})),
      basis_rows(decode_rows.Add({{"path", "basis"}})),
      draft_tokens(OneCounter(r, "draft_tokens_total", "Tokens guessed from the article and tried.")),
      draft_tokens_accepted(OneCounter(r, "draft_tokens_accepted_total", "Guesses that were right: steps saved.")),
      cache_hits(OneCounter(r, "mix_cache_hits_total", "Requests whose mixed weights were resident.")),
      cache_misses(OneCounter(r, "mix_cache_misses_total", "Requests whose mixed weights were made for them.")),
      cache_coalesced(
          OneCounter(r, "mix_coalesced_total", "Requests whose mixed weights were being made for another one.")),
      cache_basis(OneCounter(r, "mix_cache_basis_total", "Requests that ran over the basis, without a mixture.")),
      cache_promotions(
          OneCounter(r, "mix_cache_promotions_total", "Mixtures made of what was often served over the basis.")),
      cache_evictions(OneCounter(r, "mix_cache_evictions_total", "Mixed weights dropped to make room.")),
      cache_entries(OneGauge(r, "mix_cache_entries", "Mixed weights resident.")),
      cache_bytes(OneGauge(r, "mix_cache_bytes", "Memory of mixed weights, those being made included.")),
      cache_capacity_bytes(OneGauge(r, "mix_cache_capacity_bytes", "What mix_cache_bytes never exceeds.")),
      mix_duration(OneHistogram(r, "mix_duration_seconds", PhaseBuckets(),
                                "One mix of all conditioned tensors in the background.")),
      params_version(OneGauge(r, "params_version", "Sequence number of the parameters that new requests get.")),
      params_info(Gauges(r, "params_info", "1, labelled with the digest of the parameters that new requests get.")),
      params_age(OneGauge(r, "params_age_seconds", "For how long new requests have been getting these parameters.")),
      params_updates(Counters(r, "params_updates_total",
                              "Commits and activations of parameters by status code; LEASE_LAPSED: never committed.")),
      params_update_bytes(
          OneCounter(r, "params_update_bytes_total", "Bytes of chunks of parameters that arrived intact.")),
      params_commit_duration(
          OneHistogram(r, "params_commit_duration_seconds", RequestBuckets(),
                       "Commits, once old versions have ended: decoding, checks, packing, disk, mixing.")),
      params_damaged(OneCounter(r, "params_damaged_total", "Files of versions that could not be used at start.")),
      params_staged_bytes(OneGauge(r, "params_staged_bytes", "Memory of parameters on their way in.")),
      build_info(Gauges(r, "build_info", "1, labelled with what was built.")),
      tls_expiry(OneGauge(r, "tls_certificate_expiry_timestamp_seconds",
                          "When new connections' certificate ends to be valid; 0: no TLS.")),
      tls_reloads(Counters(r, "tls_reloads_total",
                           "Changes of the files of TLS by what became of them: taken, or refused and logged.")),
      tls_taken(tls_reloads.Add({{"result", "taken"}})),
      tls_refused(tls_reloads.Add({{"result", "refused"}})) {}

void Metrics::CountRequest(absl::string_view method, absl::string_view code, double seconds) {
  requests.Add({{"method", std::string(method)}, {"code", std::string(code)}}).Increment();
  request_duration.Observe(seconds);
}

void Metrics::CountUpdate(absl::string_view result) {
  params_updates.Add({{"result", std::string(result)}}).Increment();
}

void Metrics::SetBuild(absl::string_view version, absl::string_view commit) {
  build_info.Add({{"version", std::string(version)}, {"commit", std::string(commit)}}).Set(1);
}

void Metrics::SetParameters(uint64_t sequence, absl::string_view digest) {
  MutexLock lock(mutex_);
  params_version.Set(static_cast<double>(sequence));
  if (current_params_ != nullptr) params_info.Remove(current_params_);
  current_params_ = &params_info.Add({{"digest", std::string(digest)}});
  current_params_->Set(1);
}

}  // namespace trimtab
