// One weighting floods, others trickle: how much longer the requests of the others take than when they are alone.
//
//   fairness [--model DIR] [--json FILE]      the worst trickling weighting's p99 over its p99 without the flood
#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <iostream>
#include <memory>
#include <random>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "bench/report.h"
#include "kernels/backend.h"
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

struct Setup {
  std::string model = "deploy/models/debian-pilot", json, precision = "float32";
  double fair_slowdown = SchedulerOptions().fair_slowdown;
  int threads = 2, outstanding = 64, others = 9, requests = 40, pause_ms = 1000;
  int input_tokens = 64, new_tokens = 32, rows = 32;
};

double P99(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[(values.size() - 1) * 99 / 100];
}

class Fairness {
 public:
  explicit Fairness(const Setup& setup) : setup_(setup), metrics_(registry_) {}

  absl::Status Load() {
    ASSIGN_OR_RETURN(const Precision precision, ParsePrecision(setup_.precision));
    ASSIGN_OR_RETURN(const Checkpoint checkpoint, OpenCheckpoint(setup_.model));
    if (checkpoint.clp.rewards.size() < 2) {
      return absl::InvalidArgumentError(absl::StrCat(setup_.model, " has no two rewards; expected a CLP checkpoint"));
    }
    backend_ = NewCpuBackend(setup_.threads);
    ASSIGN_OR_RETURN(parameters_, Parameters::Create(checkpoint, backend_.get(), precision));
    ASSIGN_OR_RETURN(const StepCosts costs, MeasureStepCosts(*parameters_, backend_.get()));
    const EngineOptions limits{.max_rows = setup_.rows,
                               .max_input_tokens = setup_.input_tokens,
                               .max_new_tokens = setup_.new_tokens,
                               .max_encode_tokens = std::max(1024, setup_.input_tokens)};
    ASSIGN_OR_RETURN(auto engine, NewEngine(parameters_->config(), limits, backend_.get()));
    cache_ = std::make_unique<MixedWeightCache>(
        MixedWeightCache::Options{},
        [this](std::shared_ptr<const Parameters> parameters, const Coefficients& c, MixTime when) {
          return MixedWeights::Mix(std::move(parameters), c, backend_.get(), when);
        },
        &metrics_);
    scheduler_ = std::make_unique<Scheduler>(SchedulerOptions{.fair_slowdown = setup_.fair_slowdown, .costs = costs},
                                             std::move(engine), cache_.get(), &metrics_);
    return absl::OkStatus();
  }

  absl::Status Run(Report* report) {
    std::vector<double> alone, flooded;
    for (int other = 1; other <= setup_.others; ++other) alone.push_back(P99(Trickle(other, 0)));
    StartFlood();
    std::vector<std::thread> callers;
    flooded.resize(setup_.others);
    for (int other = 1; other <= setup_.others; ++other) {
      callers.emplace_back([this, other, &flooded] { flooded[other - 1] = P99(Trickle(other, setup_.pause_ms)); });
    }
    for (std::thread& caller : callers) caller.join();
    StopFlood();
    if (failures_ > 0) return absl::InternalError(absl::StrCat(failures_.load(), " requests failed"));
    Add(alone, flooded, report);
    return absl::OkStatus();
  }

 private:
  // Of weighting number `n`, 0: the one that floods.
  SummaryRequest Request(int n) const {
    const ClpConfig& clp = parameters_->clp();
    const double first = (n + 1.0) / (setup_.others + 2.0);
    std::vector<double> w(clp.rewards.size(), (1.0 - first) / static_cast<double>(clp.rewards.size() - 1));
    w[0] = first;
    const auto weighting = Weighting::Create(clp.mixing, static_cast<int>(w.size()), clp.default_alpha, w);
    SummaryRequest request{{}, parameters_, Coefficients::From(clp.mixing, *weighting, {}), {}};
    for (int i = 0; i < setup_.input_tokens; ++i) request.input_ids.push_back(3 + (n * 131 + i * 17) % 1000);
    request.options.max_new_tokens = request.options.min_new_tokens = setup_.new_tokens;
    return request;
  }

  void Ended(const absl::Status& status) {
    if (status.ok()) return;
    ++failures_;
    std::cerr << "fairness: " << status << "\n";
  }

  // Seconds of one request after the other, the first of which warms up. Pauses are random, half as long to one and a
  // half times as long as said, so that those who trickle do not march in step.
  std::vector<double> Trickle(int n, int pause_ms) {
    std::minstd_rand random(n);
    std::uniform_real_distribution<double> share(0.5, 1.5);
    std::vector<double> seconds;
    for (int i = 0; i <= setup_.requests; ++i) {
      const auto done = std::make_shared<std::promise<void>>();
      const Clock::time_point start = Clock::now();
      scheduler_->Submit(Request(n),
                         {.on_token = nullptr, .on_done = [this, done](const absl::StatusOr<SummaryResult>& result) {
                            Ended(result.status());
                            done->set_value();
                          }});
      done->get_future().wait();
      if (i > 0) seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
      std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(pause_ms * share(random)));
    }
    return seconds;
  }

  // Each request that ends is followed by the next.
  void SubmitFlood() {
    scheduler_->Submit(Request(0),
                       {.on_token = nullptr, .on_done = [this](const absl::StatusOr<SummaryResult>& result) {
                          Ended(result.status());
                          ++flood_done_;
                          if (flooding_ && result.ok()) return SubmitFlood();
                          flood_over_.release();
                        }});
  }
  void StartFlood() {
    flooding_ = true;
    for (int i = 0; i < setup_.outstanding; ++i) SubmitFlood();
  }
  void StopFlood() {
    flooding_ = false;
    for (int i = 0; i < setup_.outstanding; ++i) flood_over_.acquire();
  }

  void Add(const std::vector<double>& alone, const std::vector<double>& flooded, Report* report) const {
    size_t worst = 0;
    for (size_t i = 1; i < alone.size(); ++i) {
      if (flooded[i] / alone[i] > flooded[worst] / alone[worst]) worst = i;
    }
    report->Add({.name = "fairness/p99",
                 .value = 1e3 * flooded[worst],
                 .unit = "ms",
                 .baseline = "solo p99",
                 .ratio = flooded[worst] / alone[worst],
                 .details = {{"solo_p99_ms", 1e3 * alone[worst]},
                             {"others", setup_.others},
                             {"requests_each", setup_.requests},
                             {"flood_outstanding", setup_.outstanding},
                             {"flood_requests", flood_done_.load()},
                             {"fair_slowdown", setup_.fair_slowdown},
                             {"precision", setup_.precision}}});
  }

  const Setup setup_;
  prometheus::Registry registry_;
  Metrics metrics_;
  std::unique_ptr<Backend> backend_;
  std::shared_ptr<const Parameters> parameters_;
  std::unique_ptr<MixedWeightCache> cache_;
  std::atomic<bool> flooding_ = false;
  std::atomic<int> failures_ = 0, flood_done_ = 0;
  std::counting_semaphore<> flood_over_{0};
  std::unique_ptr<Scheduler> scheduler_;
};

absl::Status Main(const Setup& setup) {
  Report report(setup.json);
  Fairness fairness(setup);
  RETURN_IF_ERROR(fairness.Load());
  return fairness.Run(&report);
}

}  // namespace
}  // namespace trimtab::bench

int main(int argc, char** argv) {
  CLI::App app("One weighting floods, others trickle");
  trimtab::bench::Setup setup;
  app.add_option("--model", setup.model, "A CLP checkpoint")->capture_default_str();
  app.add_option("--json", setup.json, "Rows are written here too");
  app.add_option("--precision", setup.precision)->capture_default_str();
  app.add_option("--threads", setup.threads)->check(CLI::Range(1, 256))->capture_default_str();
  app.add_option("--outstanding", setup.outstanding, "Requests of the flood at any time")
      ->check(CLI::Range(1, 200))
      ->capture_default_str();
  app.add_option("--others", setup.others, "Weightings that trickle")->check(CLI::Range(1, 31))->capture_default_str();
  app.add_option("--requests", setup.requests, "Of each of them")->check(CLI::Range(1, 100000))->capture_default_str();
  app.add_option("--pause-ms", setup.pause_ms, "Between two of them, on average")
      ->check(CLI::Range(0, 10000))
      ->capture_default_str();
  app.add_option("--input-tokens", setup.input_tokens)->check(CLI::Range(1, 16384))->capture_default_str();
  app.add_option("--new-tokens", setup.new_tokens)->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_option("--fair-slowdown", setup.fair_slowdown, "Of a step, that a flood may cause")->capture_default_str();
  app.add_option("--rows", setup.rows, "Of the batch")->check(CLI::Range(1, 4096))->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return trimtab::bench::ExitCode("fairness", trimtab::bench::Main(setup));
}
