// What a load came to, for people and as JSON. Pure.
#ifndef TRIMTAB_CLIENT_LOAD_REPORT_H_
#define TRIMTAB_CLIENT_LOAD_REPORT_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/load/drive.h"

namespace trimtab {

// Of samples as they are, without buckets: quantile q of n is the ceil(q n)-th smallest.
struct Quantiles {
  size_t count = 0;
  double p50 = 0, p90 = 0, p99 = 0, p999 = 0, max = 0;
};
Quantiles QuantilesOf(std::vector<double> samples);

// Of the requests that were due in the measured time. Times are in seconds, and of a request from when it was due: what
// an overloaded sender or server makes it wait counts.
struct LoadReport {
  double seconds = 0;  // Measured.
  size_t requests = 0;
  double goodput = 0;                     // OK replies a second that came in the measured time, whenever they were due.
  double output_tokens = 0;               // Of these, a second.
  std::map<std::string, size_t> codes;    // Requests by how they ended: "OK", "RESOURCE_EXHAUSTED", ...
  std::map<std::string, size_t> cache;    // OK replies by how they came by their mixed weights: "hit", ...
  Quantiles latency;                      // Of OK replies.
  Quantiles first_token, per_token;       // Of streams: to the first text; each token from then on.
  Quantiles refusal;                      // Of RESOURCE_EXHAUSTED and UNAVAILABLE.
  Quantiles ended;                        // Of all, however they ended.
  Quantiles lateness;                     // Between due and sent: what the sender owes. 0 in a closed loop.
  std::vector<size_t> replies_by_second;  // OK replies in each whole second of the measured time.
};
LoadReport ReportOf(const LoadPlan& plan, const LoadRun& run);

std::string TextOf(const LoadReport& report);
std::string JsonOf(const LoadReport& report);  // One line.

// OK, or the first failure that is not for lack of room or time (RESOURCE_EXHAUSTED, UNAVAILABLE, DEADLINE_EXCEEDED),
// those of the warm-up included.
absl::Status FaultIn(const LoadRun& run);

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_LOAD_REPORT_H_
