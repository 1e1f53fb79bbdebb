// Mixing parameters against mixing logits (paper, figure 2b): decoding steps of one request at an alpha between, and
// two ordinary requests of two mixtures beside it, so that logit mixing is held to what its two lanes cost.
//
//   dera [--model DIR ...] [--precision NAME] [--threads N] [--json FILE]
//
// A DIR has one reward and a reference. Without one: random weights of FLAN-T5-base's shape, full and attn.
#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "bench/measure.h"
#include "bench/models.h"
#include "bench/report.h"
#include "kernels/backend.h"
#include "model/checkpoint.h"
#include "model/engine.h"
#include "model/status_macros.h"

namespace trimtab::bench {
namespace {

struct Setup {
  std::vector<std::string> models;
  std::string json, precision = "float32";
  int threads = 2, input_tokens = 512, new_tokens = 64, rounds = 3;
};

// Median seconds of the steps in which all of `requests` decode and none encodes.
absl::StatusOr<double> StepTime(Engine& engine, const std::vector<EngineRequest>& requests, int rows) {
  for (const EngineRequest& request : requests) RETURN_IF_ERROR(engine.Admit(request));
  std::vector<double> times;
  std::vector<EngineEvent> events;
  while (!engine.idle()) {
    events.clear();
    const auto start = std::chrono::steady_clock::now();
    const StepStats stats = engine.Step(&events);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    if (stats.encode_tokens == 0 && stats.decode_rows == rows) times.push_back(elapsed.count());
  }
  if (times.empty()) return absl::InternalError("no step decoded all requests");
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

absl::Status Measure(const Setup& setup, const std::string& model, Report* report) {
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, OpenCheckpoint(model));
  const ClpConfig& clp = checkpoint.clp;
  if (clp.rewards.size() != 1) return absl::InvalidArgumentError("the checkpoint must have one reward and a reference");
  ASSIGN_OR_RETURN(const Precision precision, ParsePrecision(setup.precision));
  const std::unique_ptr<Backend> backend = NewCpuBackend(setup.threads);
  ASSIGN_OR_RETURN(const auto parameters, Parameters::Create(checkpoint, backend.get(), precision));
  auto mixture = [&](double alpha) -> absl::StatusOr<std::shared_ptr<const MixedWeights>> {
    ASSIGN_OR_RETURN(const Weighting weighting, Weighting::Create(clp.mixing, 1, alpha, {1.0}));
    return MixedWeights::Mix(parameters, Coefficients::From(clp.mixing, weighting, {}), backend.get());
  };
  ASSIGN_OR_RETURN(const auto reward, mixture(clp.mixing.alpha_min));
  ASSIGN_OR_RETURN(const auto reference, mixture(1.0));
  ASSIGN_OR_RETURN(const auto between, mixture(0.5));
  const EngineOptions limits{.max_rows = 2,
                             .max_input_tokens = setup.input_tokens,
                             .max_new_tokens = setup.new_tokens,
                             .max_encode_tokens = 2 * setup.input_tokens};
  ASSIGN_OR_RETURN(const auto engine, NewEngine(checkpoint.config, limits, backend.get()));
  auto request = [&](uint64_t id, std::shared_ptr<const MixedWeights> weights) {
    EngineRequest made{id, std::vector<int32_t>(setup.input_tokens, 5), std::move(weights), {}};
    made.options.max_new_tokens = made.options.min_new_tokens = setup.new_tokens;
    return made;
  };
  EngineRequest logits = request(1, nullptr);
  const std::vector<float>& c = between->coefficients().values();
  logits.experts = {{reward, c[0]}, {reference, c[1]}};
  std::vector<double> over_logits, over_lanes;
  double parameter_s = 0, logit_s = 0, lanes_s = 0;
  for (int round = 0; round < setup.rounds; ++round) {
    ASSIGN_OR_RETURN(parameter_s, StepTime(*engine, {request(1, between)}, 1));
    ASSIGN_OR_RETURN(logit_s, StepTime(*engine, {logits}, 2));
    ASSIGN_OR_RETURN(lanes_s, StepTime(*engine, {request(1, reward), request(2, reference)}, 2));
    over_logits.push_back(logit_s / parameter_s);
    over_lanes.push_back(logit_s / lanes_s);
  }
  std::sort(over_logits.begin(), over_logits.end());
  std::sort(over_lanes.begin(), over_lanes.end());
  // The paper's model is full-CLP: its rows bear the names alone.
  const std::string suffix = clp.variant == "full" ? "" : "/" + clp.variant;
  report->Add({.name = "dera/base/m1" + suffix,
               .value = 1.0 / parameter_s,
               .unit = "tokens/s",
               .baseline = "mixing logits",
               .ratio = over_logits[over_logits.size() / 2],
               .details = {{"parameter_step_ms", parameter_s * 1e3}, {"logit_step_ms", logit_s * 1e3}}});
  report->Add({.name = "dera/logit_over_two_lanes" + suffix,
               .value = logit_s * 1e3,
               .unit = "ms per step",
               .baseline = "two requests, two mixtures",
               .ratio = over_lanes[over_lanes.size() / 2],
               .details = {{"two_lanes_step_ms", lanes_s * 1e3}}});
  return absl::OkStatus();
}

absl::Status Run(Setup setup) {
  Report report(setup.json);
  RETURN_IF_ERROR(FillModels({"full", "attn"}, 1, &setup.models));
  for (const std::string& model : setup.models) RETURN_IF_ERROR(Measure(setup, model, &report));
  return absl::OkStatus();
}

}  // namespace
}  // namespace trimtab::bench

int main(int argc, char** argv) {
  CLI::App app("Mixing parameters against mixing logits");
  trimtab::bench::Setup setup;
  app.add_option("--model", setup.models, "Folder of a checkpoint with one reward and a reference");
  app.add_option("--precision", setup.precision)->capture_default_str();
  app.add_option("--threads", setup.threads)->check(CLI::Range(1, 256))->capture_default_str();
  app.add_option("--json", setup.json, "Rows are written here too");
  CLI11_PARSE(app, argc, argv);
  return trimtab::bench::ExitCode("dera", trimtab::bench::Run(setup));
}
