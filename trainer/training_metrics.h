#ifndef TRIMTAB_TRAINER_TRAINING_METRICS_H_
#define TRIMTAB_TRAINER_TRAINING_METRICS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "prometheus/counter.h"
#include "prometheus/family.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "trainer/training.h"

namespace trimtab {

// Every series of a run. All names start with "trimtab_trainer_"; durations are in seconds. Thread-safe.
class TrainingMetrics {
 public:
  // `registry` must outlive this. REQUIRES: at most one of a registry.
  TrainingMetrics(prometheus::Registry& registry, const std::vector<std::string>& rewards);
  TrainingMetrics(const TrainingMetrics&) = delete;
  TrainingMetrics& operator=(const TrainingMetrics&) = delete;

  void CountStep(const StepReport& report);
  void CountPublication(absl::Duration took, const absl::Status& status);

 private:
  prometheus::Family<prometheus::Gauge>& phases_;  // phase_seconds{phase}, of the last step
  prometheus::Family<prometheus::Counter>& tokens_;
  prometheus::Family<prometheus::Counter>& publications_;  // publications_total{result}
  prometheus::Counter& steps_;
  prometheus::Gauge& step_;
  prometheus::Gauge& steps_per_second_;
  prometheus::Gauge& tokens_per_second_;
  prometheus::Gauge& objective_;
  prometheus::Gauge& kl_;
  prometheus::Gauge& advantage_;
  prometheus::Gauge& advantage_spread_;
  prometheus::Gauge& value_loss_;
  prometheus::Gauge& gradient_norm_;
  prometheus::Gauge& log_prob_gap_;
  prometheus::Gauge& alpha_;
  prometheus::Histogram& step_duration_;
  prometheus::Histogram& publish_duration_;
  std::vector<prometheus::Gauge*> rewards_;  // reward{objective}
};

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_TRAINING_METRICS_H_
