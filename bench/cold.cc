// What a weighting nobody asked for before costs, and what arrivals cost those who already read: through the scheduler.
//
//   cold [--model DIR ...] [--precision NAME] [--threads N] [--json FILE]
//
// Without a model: random weights of FLAN-T5-base's shape, two rewards, attn and full.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "bench/models.h"
#include "bench/report.h"
#include "kernels/backend.h"
#include "kernels/host_memory.h"
#include "model/checkpoint.h"
#include "model/engine.h"
#include "model/status_macros.h"
#include "model/step_costs.h"
#include "prometheus/registry.h"
#include "server/mixed_weight_cache.h"
#include "server/scheduler.h"

namespace trimtab::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kStreams = 8, kArrivals = 8;

struct Setup {
  std::vector<std::string> models;
  std::string json, precision = "float32";
  int threads = 2, pairs = 7;
};

double Quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(q * static_cast<double>(values.size())))];
}

// A scheduler over one checkpoint, and calls that wait.
class Serving {
 public:
  absl::Status Start(const Setup& setup, const std::string& model) {
    ASSIGN_OR_RETURN(const Precision precision, ParsePrecision(setup.precision));
    ASSIGN_OR_RETURN(const Checkpoint checkpoint, OpenCheckpoint(model));
    backend_ = NewCpuBackend(setup.threads);
    ASSIGN_OR_RETURN(parameters_, Parameters::Create(checkpoint, backend_.get(), precision));
    ASSIGN_OR_RETURN(const StepCosts costs, MeasureStepCosts(*parameters_, backend_.get()));
    cache_ = std::make_unique<MixedWeightCache>(
        MixedWeightCache::Options{.byte_budget = 4 * std::max<int64_t>(4096, MixedWeights::Bytes(*parameters_)),
                                  .prepare = [](int64_t bytes) { PrepareHost(bytes / 4); }},
        [this](std::shared_ptr<const Parameters> parameters, const Coefficients& c, MixTime when) {
          return MixedWeights::Mix(std::move(parameters), c, backend_.get(), when);
        },
        &metrics_);
    const EngineOptions limits{.max_rows = 32, .max_input_tokens = 512, .max_new_tokens = 128};
    ASSIGN_OR_RETURN(auto engine, NewEngine(parameters_->config(), limits, backend_.get()));
    scheduler_ =
        std::make_unique<Scheduler>(SchedulerOptions{.costs = costs}, std::move(engine), cache_.get(), &metrics_);
    return absl::OkStatus();
  }

  const ClpConfig& clp() const { return parameters_->clp(); }

  // The n-th weighting: no two are equal, all sets are in use.
  Coefficients Nth(int n) const {
    const int rewards = static_cast<int>(clp().rewards.size());
    std::vector<double> w(rewards, 1.0 / rewards);
    const double alpha = 0.1 + 0.8 * ((n * 37) % 1009) / 1009.0;
    return Coefficients::From(clp().mixing, Weighting::Create(clp().mixing, rewards, alpha, w).value(), {});
  }

  // `callbacks.on_done` is called on the engine thread.
  void Submit(int weighting, int input_tokens, int new_tokens, SummaryCallbacks callbacks) {
    std::vector<int32_t> ids(input_tokens, 1);
    for (int i = 0; i + 1 < input_tokens; ++i)
      ids[i] = static_cast<int32_t>(3 + (weighting * 7919u + i * 104729u) % 30000u);
    GenerationOptions options;
    options.max_new_tokens = options.min_new_tokens = new_tokens;
    scheduler_->Submit({std::move(ids), parameters_, Nth(weighting), options}, std::move(callbacks));
  }

  // Mixes the weighting, if it is not resident.
  void Warm(int weighting) {
    cache_->Prewarm(parameters_, {Nth(weighting)});
    cache_->AwaitBackground();
  }

  // Seconds to the first token of a request that is alone.
  double FirstToken(int weighting, int input_tokens) {
    std::mutex mutex;
    std::condition_variable done;
    double seconds = -1;
    Submit(weighting, input_tokens, 32, {.on_token = nullptr, .on_done = [&](absl::StatusOr<SummaryResult> result) {
                                           std::lock_guard lock(mutex);
                                           if (!result.ok()) std::cerr << result.status() << "\n";
                                           seconds = result.ok() ? absl::ToDoubleSeconds(result->times.first_token) : 0;
                                           done.notify_all();
                                         }});
    std::unique_lock lock(mutex);
    done.wait(lock, [&] { return seconds >= 0; });
    return seconds;
  }

 private:
  prometheus::Registry registry_;
  Metrics metrics_{registry_};
  std::unique_ptr<Backend> backend_;
  std::shared_ptr<const Parameters> parameters_;
  std::unique_ptr<MixedWeightCache> cache_;
  std::unique_ptr<Scheduler> scheduler_;  // Last: its thread uses all else.
};

// A never-seen weighting against one that is resident, in turns, on an idle server.
void Cold(Serving& serving, const Setup& setup, int input_tokens, Report* report) {
  int fresh = 1;
  serving.FirstToken(0, input_tokens);
  std::vector<double> warm, cold;
  for (int i = 0; i < setup.pairs; ++i) {
    serving.Warm(0);
    warm.push_back(serving.FirstToken(0, input_tokens));
    cold.push_back(serving.FirstToken(fresh++, input_tokens));
  }
  const double c = Quantile(cold, 0.5), w = Quantile(warm, 0.5);
  report->Add(
      {.name = absl::StrCat("cold/base/", serving.clp().variant, "/first_token", input_tokens < 512 ? "/short" : ""),
       .value = 1e3 * c,
       .unit = "ms",
       .baseline = "warm weighting",
       .ratio = c / w,
       .details = {{"warm_ms", 1e3 * w}, {"input_tokens", input_tokens}, {"precision", setup.precision}}});
}

// Seconds between the tokens of kStreams requests, while kArrivals articles of new weightings arrive one after the
// other, or none does.
std::vector<double> Gaps(Serving& serving, bool arrivals) {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Clock::time_point> last(kStreams);
  std::vector<double> gaps;
  int decoding = 0, left = kStreams, arrived = 0;
  bool measuring = false;
  for (int stream = 0; stream < kStreams; ++stream) {
    serving.Submit(0, 64, 128,
                   {.on_token =
                        [&, stream](int32_t) {
                          const Clock::time_point now = Clock::now();
                          std::lock_guard lock(mutex);
                          if (last[stream] == Clock::time_point{}) {
                            ++decoding;
                            changed.notify_all();
                          } else if (measuring) {
                            gaps.push_back(std::chrono::duration<double>(now - last[stream]).count());
                          }
                          last[stream] = now;
                        },
                    .on_done =
                        [&](const absl::StatusOr<SummaryResult>&) {
                          std::lock_guard lock(mutex);
                          measuring = false;  // From the first end on, fewer decode.
                          --left;
                          changed.notify_all();
                        }});
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return decoding == kStreams; });
  measuring = true;
  for (int i = 0; arrivals && i < kArrivals && measuring; ++i) {
    lock.unlock();
    serving.Submit(1000 + i, 512, 2, {.on_token = nullptr, .on_done = [&](const absl::StatusOr<SummaryResult>&) {
                                        std::lock_guard guard(mutex);
                                        ++arrived;
                                        changed.notify_all();
                                      }});
    lock.lock();
    changed.wait(lock, [&] { return arrived > i; });
  }
  changed.wait(lock, [&] { return left == 0; });
  return gaps;
}

void Arrivals(Serving& serving, const Setup& setup, Report* report) {
  std::vector<double> with, without;
  for (int i = 0; i < 2; ++i) {
    for (const double gap : Gaps(serving, false)) without.push_back(gap);
    for (const double gap : Gaps(serving, true)) with.push_back(gap);
  }
  const double w = Quantile(with, 0.99), o = Quantile(without, 0.99);
  report->Add({.name = absl::StrCat("lanes/arrivals_gap_p99",
                                    serving.clp().variant == "attn" ? "" : "/" + serving.clp().variant),
               .value = 1e3 * w,
               .unit = "ms",
               .baseline = "no arrivals",
               .ratio = w / o,
               .details = {{"without_ms", 1e3 * o}, {"streams", kStreams}, {"precision", setup.precision}}});
}

absl::Status Main(Setup setup) {
  Report report(setup.json);
  RETURN_IF_ERROR(FillModels({"attn", "full"}, 2, &setup.models));
  for (const std::string& model : setup.models) {
    Serving serving;
    RETURN_IF_ERROR(serving.Start(setup, model));
    Cold(serving, setup, 512, &report);
    Cold(serving, setup, 64, &report);
    Arrivals(serving, setup, &report);
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace trimtab::bench

int main(int argc, char** argv) {
  CLI::App app("New weightings and arrivals");
  trimtab::bench::Setup setup;
  app.add_option("--model", setup.models, "CLP checkpoints");
  app.add_option("--precision", setup.precision)->capture_default_str();
  app.add_option("--threads", setup.threads)->check(CLI::Range(1, 256))->capture_default_str();
  app.add_option("--pairs", setup.pairs)->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--json", setup.json, "Rows are written here too");
  CLI11_PARSE(app, argc, argv);
  return trimtab::bench::ExitCode("cold", trimtab::bench::Main(setup));
}
