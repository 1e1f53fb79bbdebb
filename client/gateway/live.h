// What the operator's ports of servers and of a trainer say about now, for the page.
#ifndef TRIMTAB_CLIENT_GATEWAY_LIVE_H_
#define TRIMTAB_CLIENT_GATEWAY_LIVE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "trimtab/v1/summarizer.pb.h"

namespace trimtab {

struct LiveNumbers {
  double seconds = 0;                     // When: since the epoch.
  std::map<std::string, double> metrics;  // Sums over all servers, by the name without its prefix trimtab_.
  std::map<std::string, double> rewards;  // Of the trainer's last step, by objective; empty where none trains.
};

// Adds what a /metrics page in Prometheus' text format says. Series that the page does not show are passed over. Pure.
void AddMetrics(absl::string_view page, LiveNumbers* numbers);

// Thread-safe.
class Live {
 public:
  // HOST:PORT of each /metrics, with commas between them; empty: there are no numbers.
  explicit Live(absl::string_view addresses);

  // At most a second old. A port that does not answer in half a second adds nothing.
  LiveNumbers Now();

 private:
  const std::vector<std::string> addresses_;
  absl::Mutex mutex_;
  absl::Time asked_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  LiveNumbers numbers_ ABSL_GUARDED_BY(mutex_);
};

// {"parameter_version", "seconds", "metrics", "rewards"}.
std::string LiveBody(const v1::GetModelInfoResponse& info, const LiveNumbers& numbers);

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_GATEWAY_LIVE_H_
