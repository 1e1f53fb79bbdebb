#ifndef TRIMTAB_SERVER_RIM_PROCESS_METRICS_H_
#define TRIMTAB_SERVER_RIM_PROCESS_METRICS_H_

#include <vector>

#include "prometheus/metric_family.h"

namespace trimtab {

// What Prometheus' client libraries say of every process, under the names that people know: process_cpu_seconds_total,
// process_resident_memory_bytes, process_open_fds and process_start_time_seconds (of the Unix epoch). Read from /proc
// now; where that cannot be read, there are none. Thread-safe.
std::vector<prometheus::MetricFamily> ProcessMetrics();

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_PROCESS_METRICS_H_
