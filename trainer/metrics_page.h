#ifndef TRIMTAB_TRAINER_METRICS_PAGE_H_
#define TRIMTAB_TRAINER_METRICS_PAGE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "prometheus/registry.h"

namespace trimtab {

// /metrics over plain HTTP: every series of a registry in Prometheus' text format. Thread-safe.
class MetricsPage {
 public:
  // `listen` is HOST:PORT; port 0 takes a free one. `registry` must outlive the result. Unavailable when the address
  // cannot be bound.
  static absl::StatusOr<std::unique_ptr<MetricsPage>> Start(const std::string& listen,
                                                            const prometheus::Registry& registry);
  ~MetricsPage();

  int port() const;

 private:
  struct Impl;
  explicit MetricsPage(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_METRICS_PAGE_H_
