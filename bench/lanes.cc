// Many weightings in one batch: as many requests with as many weightings, against the same requests with one, through
// the scheduler and a cache that holds few mixtures; then decoding alone.
//
//   lanes [--model DIR ...] [--device NAME] [--precision NAME] [--threads N] [--json FILE]
//   lanes [--model DIR ...] --grid      the planner's choice against both paths, per lanes and rows
//
// Without a model: random weights of FLAN-T5-base's shape, every variant.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "bench/measure.h"
#include "bench/models.h"
#include "bench/report.h"
#include "kernels/backend.h"
#include "model/checkpoint.h"
#include "model/engine.h"
#include "model/status_macros.h"
#include "model/step_costs.h"
#include "prometheus/registry.h"
#include "server/mixed_weight_cache.h"
#include "server/path_plan.h"
#include "server/scheduler.h"

namespace trimtab::bench {
namespace {

using Clock = std::chrono::steady_clock;

double Since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Setup {
  std::vector<std::string> models;
  std::string json, precision = "float32", device = "cpu";
  int threads = 2, requests = 32, new_tokens = 64, mixtures = 4, rounds = 2;
  std::vector<int> input_tokens = {512, 64};
  bool grid = false;
};

// Spread over the simplex and alpha: every set is in use, no two are equal.
Coefficients Nth(const ClpConfig& clp, int n, int count) {
  const int rewards = static_cast<int>(clp.rewards.size());
  std::vector<double> w(rewards);
  double sum = 0.0;
  for (int i = 0; i < rewards; ++i) sum += w[i] = 1.0 + (n * (i + 3) + i * 7) % 17;
  for (double& value : w) value /= sum;
  const double alpha = 0.05 + 0.9 * n / count;
  return Coefficients::From(clp.mixing, Weighting::Create(clp.mixing, rewards, alpha, w).value(), {});
}

class Lanes {
 public:
  Lanes(const Setup& setup, Report* report) : setup_(setup), report_(report) {}

  absl::Status Load(const std::string& model) {
    ASSIGN_OR_RETURN(const Precision precision, ParsePrecision(setup_.precision));
    ASSIGN_OR_RETURN(const Checkpoint checkpoint, OpenCheckpoint(model));
    if (checkpoint.clp.rewards.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(model, " has no rewards; expected a CLP checkpoint"));
    }
    ASSIGN_OR_RETURN(backend_, NewBackend(setup_.device, setup_.threads));
    ASSIGN_OR_RETURN(parameters_, Parameters::Create(checkpoint, backend_.get(), precision));
    ASSIGN_OR_RETURN(costs_, MeasureStepCosts(*parameters_, backend_.get()));
    return absl::OkStatus();
  }

  absl::Status Run() {
    for (const int input_tokens : setup_.input_tokens) RETURN_IF_ERROR(Whole(input_tokens));
    return Decode(setup_.input_tokens[0]);
  }

  absl::Status Grid();

 private:
  const ClpConfig& clp() const { return parameters_->clp(); }
  std::string Name(const std::string& suffix) const {
    return absl::StrCat("lanes/base/", clp().variant, "/m", clp().rewards.size(), "/k", setup_.requests, suffix);
  }
  EngineOptions Limits(int input_tokens) const {
    return {.max_rows = setup_.requests,
            .max_input_tokens = input_tokens,
            .max_new_tokens = setup_.new_tokens,
            .max_encode_tokens = std::max(1024, input_tokens)};
  }
  static std::vector<int32_t> Ids(int request, int length) {
    std::vector<int32_t> ids(length);
    for (int i = 0; i < length; ++i) ids[i] = static_cast<int32_t>(3 + (request * 7919u + i * 104729u) % 30000u);
    return ids;
  }
  GenerationOptions Options() const {
    GenerationOptions options;
    options.max_new_tokens = options.min_new_tokens = setup_.new_tokens;
    return options;
  }

  // Seconds of all requests through a scheduler; `basis` counts those over the basis.
  double RunLoad(Scheduler& scheduler, int input_tokens, bool distinct, int* basis) {
    std::mutex mutex;
    std::condition_variable done;
    int left = setup_.requests;
    *basis = 0;
    const Clock::time_point start = Clock::now();
    for (int i = 0; i < setup_.requests; ++i) {
      const Coefficients c = Nth(clp(), distinct ? i : setup_.requests / 2, setup_.requests);
      SummaryCallbacks callbacks;
      callbacks.on_done = [&](absl::StatusOr<SummaryResult> result) {
        std::lock_guard lock(mutex);
        *basis += result.ok() && result->path == ExecutionPath::kBasis;
        if (!result.ok()) std::cerr << result.status() << "\n";
        if (--left == 0) done.notify_all();
      };
      scheduler.Submit({Ids(i, input_tokens), parameters_, c, Options()}, std::move(callbacks));
    }
    std::unique_lock lock(mutex);
    done.wait(lock, [&] { return left == 0; });
    return Since(start);
  }

  absl::Status Whole(int input_tokens) {
    prometheus::Registry registry;
    Metrics metrics(registry);
    MixedWeightCache cache(
        {.byte_budget = setup_.mixtures * std::max<int64_t>(4096, MixedWeights::Bytes(*parameters_))},
        [this](std::shared_ptr<const Parameters> parameters, const Coefficients& c, MixTime when) {
          return MixedWeights::Mix(std::move(parameters), c, backend_.get(), when);
        },
        &metrics);
    ASSIGN_OR_RETURN(auto engine, NewEngine(parameters_->config(), Limits(input_tokens), backend_.get()));
    Scheduler scheduler({.max_queue_length = setup_.requests, .costs = costs_}, std::move(engine), &cache, &metrics);
    std::vector<double> one, many;
    int basis = 0;
    for (int round = 0; round < setup_.rounds; ++round) {
      one.push_back(RunLoad(scheduler, input_tokens, false, &basis));
      many.push_back(RunLoad(scheduler, input_tokens, true, &basis));
    }
    report_->Add({.name = Name(input_tokens < 512 ? "/short" : ""),
                  .value = setup_.requests / Median(many),
                  .unit = "requests/s",
                  .baseline = "one weighting",
                  .ratio = Median(one) / Median(many),
                  .details = {{"one_s", Median(one)},
                              {"many_s", Median(many)},
                              {"input_tokens", input_tokens},
                              {"over_basis", basis},
                              {"precision", setup_.precision}}});
    return absl::OkStatus();
  }

  // Median seconds of steps in which all requests decode.
  absl::StatusOr<double> StepTime(Engine& engine, int input_tokens, MixTime when, bool distinct) {
    std::shared_ptr<const MixedWeights> weights;
    for (int i = 0; i < setup_.requests; ++i) {
      if (weights == nullptr || distinct) {
        ASSIGN_OR_RETURN(weights, MixedWeights::Mix(parameters_, Nth(clp(), i, setup_.requests), backend_.get(), when));
      }
      RETURN_IF_ERROR(engine.Admit({static_cast<uint64_t>(i), Ids(i, input_tokens), weights, Options()}));
    }
    std::vector<double> times;
    std::vector<EngineEvent> events;
    while (!engine.idle()) {
      events.clear();
      const Clock::time_point start = Clock::now();
      const StepStats stats = engine.Step(&events);
      if (stats.encode_tokens == 0 && stats.decode_rows == setup_.requests) times.push_back(Since(start));
    }
    if (times.empty()) return absl::InternalError("no step decoded every request");
    return Median(times);
  }

  absl::Status Decode(int input_tokens) {
    EngineOptions limits = Limits(input_tokens);
    limits.max_encode_tokens = setup_.requests * input_tokens;  // All arrive together, so that all decode together.
    ASSIGN_OR_RETURN(auto engine, NewEngine(parameters_->config(), limits, backend_.get()));
    ASSIGN_OR_RETURN(const double one, StepTime(*engine, input_tokens, MixTime::kNow, false));
    ASSIGN_OR_RETURN(const double many, StepTime(*engine, input_tokens, MixTime::kNever, true));
    report_->Add({.name = Name("/decode"),
                  .value = 1e3 * many,
                  .unit = "ms per step",
                  .baseline = "one weighting",
                  .ratio = one / many,
                  .details = {{"one_ms", 1e3 * one}, {"precision", setup_.precision}}});
    return absl::OkStatus();
  }

  const Setup setup_;
  Report* const report_;
  std::unique_ptr<Backend> backend_;
  std::shared_ptr<const Parameters> parameters_;
  StepCosts costs_;
};

// The conditioned products of one decoder layer, per lanes and rows in all: dense (a mixture per lane), over the basis,
// and what the planner picks. Mixtures stand for themselves by copies of the sets in memory of their own.
absl::Status Lanes::Grid() {
  constexpr int kMaxLanes = 32, kPairs = 5;
  std::vector<const ParameterTensor*> layer;
  for (const ParameterTensor& tensor : parameters_->tensors()) {
    const bool first = absl::StrContains(tensor.spec.name, "decoder.block.0.") || tensor.spec.name == "lm_head.weight";
    if (tensor.conditioned && tensor.is_matrix() && first) layer.push_back(&tensor);
  }
  int64_t bytes = 0, in = 0, out = 0;
  for (const ParameterTensor* tensor : layer) {
    bytes += tensor->mixed_bytes;
    out = std::max(out, tensor->spec.shape[0]);
    in = std::max(in, tensor->spec.shape[1]);
  }
  constexpr int kMaxRows = 64;
  ASSIGN_OR_RETURN(Buffer mixtures, backend_->Allocate(kMaxLanes * bytes / 4));
  ASSIGN_OR_RETURN(Buffer x, backend_->Allocate(kMaxRows * in));
  ASSIGN_OR_RETURN(Buffer y, backend_->Allocate(kMaxRows * out));
  ASSIGN_OR_RETURN(Buffer c, backend_->Allocate(int64_t{kMaxRows} * kMaxSets));
  backend_->Copy(std::vector<float>(x.elements(), 0.5f).data(), x.elements(), x.data());
  backend_->Copy(std::vector<float>(c.elements(), 0.25f).data(), c.elements(), c.data());
  std::vector<std::vector<PackedMatrix>> lanes(kMaxLanes);
  std::byte* next = mixtures.raw();
  for (int lane = 0; lane < kMaxLanes; ++lane) {
    const Coefficients mixed = Nth(clp(), lane, kMaxLanes);
    for (const ParameterTensor* tensor : layer) {
      backend_->MixMatrixNow(tensor->basis.sets, mixed.values(), parameters_->precision(), next);
      lanes[lane].push_back({next, tensor->spec.shape[0], tensor->spec.shape[1], parameters_->precision()});
      next += tensor->mixed_bytes;
    }
  }
  const auto run = [&](const Operand& w, int64_t begin, int64_t rows) {
    const Product product{w, {y.data() + begin * w.w.out, rows, w.w.out}};
    backend_->MatMul({x.data() + begin * w.w.in, rows, w.w.in}, {&product, 1},
                     {c.data() + begin * kMaxSets, rows, kMaxSets});
  };
  const auto seconds = [&](int lane_count, int rows, int dense_lanes) {
    const Clock::time_point start = Clock::now();
    for (size_t t = 0; t < layer.size(); ++t) {
      const int64_t share = rows / lane_count;
      for (int lane = 0; lane < dense_lanes; ++lane) run(lanes[lane][t], lane * share, share);
      if (dense_lanes < lane_count) run(Operand(std::span(layer[t]->basis.factors)), 0, rows);
    }
    backend_->Wait();
    return Since(start);
  };
  double worst = 0.0;
  for (const int lane_count : {1, 2, 3, 4, 6, 8, 12, 16, 24, 32}) {
    for (int each = 1; each * lane_count <= kMaxRows; each *= 2) {
      const int rows = each * lane_count;
      std::vector<double> dense, basis;
      for (int pair = 0; pair <= kPairs; ++pair) {
        dense.push_back(seconds(lane_count, rows, lane_count));
        basis.push_back(seconds(lane_count, rows, 0));
      }
      std::vector<JoiningRows> joining;
      joining.reserve(lane_count);
      for (int lane = 0; lane < lane_count; ++lane) joining.push_back({static_cast<uint64_t>(lane), each, 32, true});
      const std::vector<ExecutionPath> paths = PlanPaths(costs_, {}, joining);
      const double d = Median(dense), b = Median(basis), chosen = paths[0] == ExecutionPath::kDense ? d : b;
      worst = std::max(worst, chosen / std::min(d, b));
      report_->Add({.name = absl::StrCat(Name("/plan"), "/", lane_count, "x", each),
                    .value = 1e3 * chosen,
                    .unit = "ms",
                    .baseline = "better of dense and basis",
                    .ratio = chosen / std::min(d, b),
                    .details = {{"dense_ms", 1e3 * d}, {"basis_ms", 1e3 * b}}});
    }
  }
  report_->Add({.name = absl::StrCat("lanes/planner_worst/", clp().variant, "/m", clp().rewards.size()),
                .value = worst,
                .unit = "ratio",
                .baseline = "better of dense and basis",
                .ratio = worst});
  return absl::OkStatus();
}

absl::Status Main(Setup setup) {
  Report report(setup.json);
  if (setup.models.empty()) {
    for (const auto& [variant, rewards] : {std::pair("attn", 2), {"full", 2}, {"logit", 2}, {"attn", 3}, {"full", 3}}) {
      ASSIGN_OR_RETURN(std::string model, RandomModel("flan-t5-base", variant, rewards));
      setup.models.push_back(std::move(model));
    }
  }
  for (const std::string& model : setup.models) {
    Lanes lanes(setup, &report);
    RETURN_IF_ERROR(lanes.Load(model));
    RETURN_IF_ERROR(setup.grid ? lanes.Grid() : lanes.Run());
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace trimtab::bench

int main(int argc, char** argv) {
  CLI::App app("Many weightings in one batch");
  trimtab::bench::Setup setup;
  app.add_option("--model", setup.models, "CLP checkpoints");
  app.add_option("--json", setup.json, "Rows are written here too");
  app.add_option("--precision", setup.precision)->capture_default_str();
  app.add_option("--device", setup.device, "cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--threads", setup.threads)->check(CLI::Range(1, 256))->capture_default_str();
  app.add_option("--requests", setup.requests)->check(CLI::Range(1, 256))->capture_default_str();
  app.add_option("--input-tokens", setup.input_tokens)->check(CLI::Range(1, 16384))->capture_default_str();
  app.add_option("--new-tokens", setup.new_tokens)->check(CLI::Range(2, 1024))->capture_default_str();
  app.add_option("--cache-mixtures", setup.mixtures, "What the cache may hold")->capture_default_str();
  app.add_option("--rounds", setup.rounds)->check(CLI::Range(1, 100))->capture_default_str();
  app.add_flag("--grid", setup.grid, "The planner's choices instead");
  CLI11_PARSE(app, argc, argv);
  return trimtab::bench::ExitCode("lanes", trimtab::bench::Main(setup));
}
