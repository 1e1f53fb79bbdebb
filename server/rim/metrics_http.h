#ifndef TRIMTAB_SERVER_RIM_METRICS_HTTP_H_
#define TRIMTAB_SERVER_RIM_METRICS_HTTP_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "prometheus/registry.h"

namespace trimtab {

// The operator's port, plain HTTP, GET only:
//   /metrics  every series in Prometheus' text format, and those of the process (process_metrics.h)
//   /livez    200 for as long as the process answers: never depends on the model
//   /readyz   200 while `ready` says so, else 503
//   /version  {"version": ..., "commit": ...}
// Thread-safe.
class MetricsHttp {
 public:
  struct Options {
    std::string listen;                            // HOST:PORT; port 0 takes a free one.
    std::function<bool()> ready;                   // Called from any thread.
    std::function<void()> before_metrics = [] {};  // Brings up to date what changes by itself. From any thread.
  };

  // `registry` must outlive the result. Unavailable when the address cannot be bound.
  static absl::StatusOr<std::unique_ptr<MetricsHttp>> Start(Options options, const prometheus::Registry& registry);
  ~MetricsHttp();

  int port() const;

 private:
  struct Impl;
  explicit MetricsHttp(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_METRICS_HTTP_H_
