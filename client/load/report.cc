#include "client/load/report.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/commands/records.h"
#include "nlohmann/json.hpp"

namespace trimtab {
namespace {

bool IsRefusal(const absl::Status& status) { return absl::IsResourceExhausted(status) || absl::IsUnavailable(status); }

// The samples of each Quantiles, before they are summed up.
struct Sorted {
  std::vector<double> latency, first_token, per_token, refusal, ended, lateness;
};

void AddTimes(const LoadRun& run, const LoadSample& sample, Sorted* times) {
  const CallOutcome& outcome = sample.outcome;
  times->lateness.push_back(absl::ToDoubleSeconds(sample.sent - sample.due));
  const double latency = absl::ToDoubleSeconds(sample.done - sample.due);
  times->ended.push_back(latency);
  if (IsRefusal(outcome.status)) times->refusal.push_back(latency);
  if (!outcome.status.ok()) return;
  times->latency.push_back(latency);
  if (outcome.first_text == absl::InfiniteFuture()) return;
  const absl::Duration first = outcome.first_text - run.started;
  times->first_token.push_back(absl::ToDoubleSeconds(first - sample.due));
  if (outcome.output_tokens < 2) return;
  times->per_token.push_back(absl::ToDoubleSeconds(sample.done - first) / (outcome.output_tokens - 1));
}

// An OK reply, by when it came.
void AddReply(const LoadPlan& plan, const LoadSample& sample, LoadReport* report) {
  const absl::Duration at = sample.done - plan.warmup;
  if (at < absl::ZeroDuration() || at >= absl::Seconds(report->seconds)) return;
  report->goodput += 1.0 / report->seconds;
  report->output_tokens += sample.outcome.output_tokens / report->seconds;
  const auto second = static_cast<size_t>(absl::ToDoubleSeconds(at));
  if (second < report->replies_by_second.size()) ++report->replies_by_second[second];
}

// A load of so many requests ends when they are answered.
double MeasuredSeconds(const LoadPlan& plan, const LoadRun& run) {
  if (!plan.requests.has_value()) return absl::ToDoubleSeconds(plan.duration);
  absl::Duration last = plan.warmup;
  for (const LoadSample& sample : run.samples) last = std::max(last, sample.done);
  return std::max(1e-9, absl::ToDoubleSeconds(last - plan.warmup) + 1e-9);
}

nlohmann::json JsonOf(const Quantiles& q) {
  return {{"count", q.count}, {"p50", q.p50}, {"p90", q.p90}, {"p99", q.p99}, {"p99.9", q.p999}, {"max", q.max}};
}

void AppendQuantiles(std::string* text, absl::string_view name, const Quantiles& q) {
  if (q.count == 0) return;
  absl::StrAppendFormat(text, "%-12s  p50 %.1f  p90 %.1f  p99 %.1f  p99.9 %.1f  max %.1f ms\n", name, 1e3 * q.p50,
                        1e3 * q.p90, 1e3 * q.p99, 1e3 * q.p999, 1e3 * q.max);
}

}  // namespace

Quantiles QuantilesOf(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  const auto at = [&](double q) {
    if (samples.empty()) return 0.0;
    // Less a little, so that 0.99 of 100 is the 99th although 0.99 is not a binary fraction.
    const double rank = std::ceil(q * static_cast<double>(samples.size()) - 1e-9);
    return samples[static_cast<size_t>(std::max(rank, 1.0)) - 1];
  };
  return {.count = samples.size(), .p50 = at(0.5), .p90 = at(0.9), .p99 = at(0.99), .p999 = at(0.999), .max = at(1.0)};
}

LoadReport ReportOf(const LoadPlan& plan, const LoadRun& run) {
  LoadReport report;
  report.seconds = MeasuredSeconds(plan, run);
  report.replies_by_second.resize(static_cast<size_t>(report.seconds));
  Sorted times;
  for (const LoadSample& sample : run.samples) {
    if (sample.outcome.status.ok()) AddReply(plan, sample, &report);
    if (sample.due < plan.warmup) continue;
    ++report.requests;
    ++report.codes[absl::StatusCodeToString(sample.outcome.status.code())];
    if (sample.outcome.status.ok()) ++report.cache[CacheName(sample.outcome.cache)];
    AddTimes(run, sample, &times);
  }
  report.latency = QuantilesOf(std::move(times.latency));
  report.first_token = QuantilesOf(std::move(times.first_token));
  report.per_token = QuantilesOf(std::move(times.per_token));
  report.refusal = QuantilesOf(std::move(times.refusal));
  report.ended = QuantilesOf(std::move(times.ended));
  report.lateness = QuantilesOf(std::move(times.lateness));
  return report;
}

std::string TextOf(const LoadReport& r) {
  std::string text = absl::StrFormat("%d requests in %.1f s; %.1f OK replies and %.0f tokens a second\n", r.requests,
                                     r.seconds, r.goodput, r.output_tokens);
  absl::StrAppend(&text, "ended         ", absl::StrJoin(r.codes, ", ", absl::PairFormatter(" ")), "\n");
  if (!r.cache.empty()) {
    absl::StrAppend(&text, "mixed weights ", absl::StrJoin(r.cache, ", ", absl::PairFormatter(" ")), "\n");
  }
  AppendQuantiles(&text, "latency", r.latency);
  AppendQuantiles(&text, "first token", r.first_token);
  AppendQuantiles(&text, "per token", r.per_token);
  AppendQuantiles(&text, "refusal", r.refusal);
  AppendQuantiles(&text, "sent late", r.lateness);
  return text;
}

std::string JsonOf(const LoadReport& r) {
  return nlohmann::json{{"seconds", r.seconds},
                        {"requests", r.requests},
                        {"goodput", r.goodput},
                        {"output_tokens_per_second", r.output_tokens},
                        {"codes", r.codes},
                        {"cache", r.cache},
                        {"latency", JsonOf(r.latency)},
                        {"first_token", JsonOf(r.first_token)},
                        {"per_token", JsonOf(r.per_token)},
                        {"refusal", JsonOf(r.refusal)},
                        {"ended", JsonOf(r.ended)},
                        {"lateness", JsonOf(r.lateness)},
                        {"replies_by_second", r.replies_by_second}}
      .dump();
}

absl::Status FaultIn(const LoadRun& run) {
  for (const LoadSample& sample : run.samples) {
    const absl::Status& status = sample.outcome.status;
    if (!status.ok() && !IsRefusal(status) && !absl::IsDeadlineExceeded(status)) return status;
  }
  return absl::OkStatus();
}

}  // namespace trimtab
