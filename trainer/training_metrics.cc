#include "trainer/training_metrics.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace trimtab {
namespace {

using prometheus::Registry;

std::string FullName(absl::string_view name) { return absl::StrCat("trimtab_trainer_", name); }

prometheus::Family<prometheus::Gauge>& Gauges(Registry& registry, absl::string_view name, const char* help) {
  return prometheus::BuildGauge().Name(FullName(name)).Help(help).Register(registry);
}
prometheus::Gauge& OneGauge(Registry& registry, absl::string_view name, const char* help) {
  return Gauges(registry, name, help).Add({});
}
prometheus::Family<prometheus::Counter>& Counters(Registry& registry, absl::string_view name, const char* help) {
  return prometheus::BuildCounter().Name(FullName(name)).Help(help).Register(registry);
}
prometheus::Histogram& OneHistogram(Registry& registry, absl::string_view name, const char* help) {
  const prometheus::Histogram::BucketBoundaries buckets = {.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300};
  return prometheus::BuildHistogram().Name(FullName(name)).Help(help).Register(registry).Add({}, buckets);
}

}  // namespace

TrainingMetrics::TrainingMetrics(Registry& registry, const std::vector<std::string>& rewards)
    : phases_(Gauges(registry, "phase_seconds", "Of the last step, by phase")),
      tokens_(Counters(registry, "tokens_total", "Tokens of articles (read) and summaries (written)")),
      publications_(
          Counters(registry, "publications_total", "Attempts to publish a version, by the code they ended with")),
      steps_(Counters(registry, "steps_total", "Updates this process made").Add({})),
      step_(OneGauge(registry, "step", "Updates of the run, those before a resume included")),
      steps_per_second_(OneGauge(registry, "steps_per_second", "By the last step")),
      tokens_per_second_(OneGauge(registry, "tokens_per_second", "Written by the last step, over its whole time")),
      objective_(OneGauge(registry, "objective", "Mean of (1 - alpha) w.R - alpha KL over the batch")),
      kl_(OneGauge(registry, "kl", "Mean log-ratio to the reference over the batch, nats per summary")),
      advantage_(OneGauge(registry, "advantage", "Mean advantage over the batch before it is normalised")),
      advantage_spread_(
          OneGauge(registry, "advantage_deviation", "Standard deviation of the advantages over the batch")),
      value_loss_(OneGauge(registry, "value_loss", "Mean squared error of the value network over the batch")),
      gradient_norm_(OneGauge(registry, "gradient_norm", "Of the language model's gradient")),
      log_prob_gap_(
          OneGauge(registry, "log_prob_gap", "Largest difference of a token's log-probability, engine and libtorch")),
      alpha_(OneGauge(registry, "alpha", "KL weight of the batch")),
      step_duration_(OneHistogram(registry, "step_duration_seconds", "Of a step")),
      publish_duration_(OneHistogram(registry, "publish_duration_seconds", "Of an attempt to publish")) {
  prometheus::Family<prometheus::Gauge>& family =
      Gauges(registry, "reward", "Mean reward over the batch, mapped, by objective");
  for (const std::string& name : rewards) rewards_.push_back(&family.Add({{"objective", name}}));
}

void TrainingMetrics::CountStep(const StepReport& report) {
  steps_.Increment();
  step_.Set(static_cast<double>(report.step));
  steps_per_second_.Set(1.0 / report.seconds());
  tokens_per_second_.Set(static_cast<double>(report.written_tokens) / report.seconds());
  tokens_.Add({{"kind", "read"}}).Increment(static_cast<double>(report.read_tokens));
  tokens_.Add({{"kind", "written"}}).Increment(static_cast<double>(report.written_tokens));
  objective_.Set(report.learner.objective);
  kl_.Set(report.kl);
  advantage_.Set(report.learner.advantage);
  advantage_spread_.Set(report.learner.advantage_spread);
  value_loss_.Set(report.learner.value_loss);
  gradient_norm_.Set(report.learner.gradient_norm);
  log_prob_gap_.Set(report.learner.log_prob_gap);
  alpha_.Set(report.alpha);
  phases_.Add({{"phase", "rollout"}}).Set(report.rollout_seconds);
  phases_.Add({{"phase", "reward"}}).Set(report.reward_seconds);
  phases_.Add({{"phase", "reference"}}).Set(report.reference_seconds);
  phases_.Add({{"phase", "update"}}).Set(report.update_seconds);
  step_duration_.Observe(report.seconds());
  for (size_t i = 0; i < rewards_.size(); ++i) rewards_[i]->Set(report.rewards[i]);
}

void TrainingMetrics::CountPublication(absl::Duration took, const absl::Status& status) {
  publish_duration_.Observe(absl::ToDoubleSeconds(took));
  publications_.Add({{"result", absl::StatusCodeToString(status.code())}}).Increment();
}

}  // namespace trimtab
