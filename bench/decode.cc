// One decoding step against the memory it must read: weights and keys and values once.
//
//   decode [--model DIR] [--device NAME] [--threads N] [--batch N] [--input-tokens N] [--new-tokens N] [--json FILE]
//
// Without a model: random weights of FLAN-T5-base's shape.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
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
  std::string model, json, device = "cpu";
  int threads = 2;
  int input_tokens = 512;
  int new_tokens = 64;
  int batch = 1;
  int rounds = 7;
};

constexpr int64_t kCopiedBytes = int64_t{256} << 20;

int64_t Bytes(const Backend& backend, const PackedMatrix& w) { return backend.PackedBytes(w.out, w.in, w.precision); }

// What a step of `batch` requests at `position` has to read.
int64_t BytesPerStep(const Backend& backend, const T5Config& config, const T5Weights& weights, int input_tokens,
                     int position, int batch) {
  int64_t bytes = Bytes(backend, weights.lm_head.mixed);
  for (const DecoderLayerWeights& layer : weights.decoder) {
    for (const WeightMatrix* w : {&layer.self.q, &layer.self.k, &layer.self.v, &layer.self.o, &layer.cross.q,
                                  &layer.cross.o, &layer.feed_forward.wi, &layer.feed_forward.wo}) {
      bytes += Bytes(backend, w->mixed);
    }
    if (config.gated) bytes += Bytes(backend, layer.feed_forward.up.mixed);
    bytes += 2 * int64_t{batch} * (input_tokens + position) * config.inner() * 4;
  }
  return bytes;
}

// Seconds of each step that only decodes.
absl::StatusOr<std::vector<double>> StepTimes(Engine& engine, EngineRequest request, int batch) {
  for (int i = 0; i < batch; ++i) {
    ++request.id;
    RETURN_IF_ERROR(engine.Admit(request));
  }
  std::vector<double> times;
  std::vector<EngineEvent> events;
  while (!engine.idle()) {
    events.clear();
    const auto start = std::chrono::steady_clock::now();
    const StepStats stats = engine.Step(&events);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    if (stats.encode_tokens == 0 && stats.decode_rows == batch) times.push_back(elapsed.count());
  }
  return times;
}

// Of the memory that weights are read from.
absl::StatusOr<double> Bandwidth(Backend& backend, const Parameters& parameters, int threads) {
  if (!backend.on_host()) return CopyBandwidth(backend, kCopiedBytes);
  // Over the weights themselves, which lie one after the other.
  return ReadBandwidth(threads, reinterpret_cast<const float*>(parameters.tensors()[0].sets[0]),
                       parameters.bytes() / 4);
}

absl::Status Run(Setup setup) {
  const std::string model = setup.model.empty() ? "base" : std::filesystem::path(setup.model).filename().string();
  if (setup.model.empty()) {
    ASSIGN_OR_RETURN(setup.model, RandomModel("flan-t5-base", "", 0));
  }
  Report report(setup.json);
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, OpenCheckpoint(setup.model));
  ASSIGN_OR_RETURN(const std::unique_ptr<Backend> backend, NewBackend(setup.device, setup.threads));
  for (Precision precision : {Precision::kFloat32, Precision::kBfloat16, Precision::kInt8}) {
    ASSIGN_OR_RETURN(const auto parameters, Parameters::Create(checkpoint, backend.get(), precision));
    const ClpConfig& clp = parameters->clp();
    const int rewards = static_cast<int>(clp.rewards.size());
    ASSIGN_OR_RETURN(
        const Weighting weighting,
        Weighting::Create(clp.mixing, rewards, 1.0, std::vector<double>(rewards, 1.0 / std::max(1, rewards))));
    ASSIGN_OR_RETURN(const auto weights,
                     MixedWeights::Mix(parameters, Coefficients::From(clp.mixing, weighting, {}), backend.get()));
    EngineOptions limits{.max_rows = setup.batch,
                         .max_input_tokens = setup.input_tokens,
                         .max_new_tokens = setup.new_tokens,
                         .max_encode_tokens = setup.batch * setup.input_tokens};
    ASSIGN_OR_RETURN(const auto engine, NewEngine(checkpoint.config, limits, backend.get()));
    EngineRequest request{1, std::vector<int32_t>(setup.input_tokens, 5), weights, {}};
    request.options.max_new_tokens = request.options.min_new_tokens = setup.new_tokens;
    const int64_t bytes = BytesPerStep(*backend, checkpoint.config, weights->weights(), setup.input_tokens,
                                       setup.new_tokens / 2, setup.batch);
    std::vector<double> medians, bandwidths, shares;
    for (int round = 0; round < setup.rounds; ++round) {
      ASSIGN_OR_RETURN(std::vector<double> times, StepTimes(*engine, request, setup.batch));
      medians.push_back(Median(std::move(times)));
      ASSIGN_OR_RETURN(bandwidths.emplace_back(), Bandwidth(*backend, *parameters, setup.threads));
      shares.push_back(static_cast<double>(bytes) / medians.back() / bandwidths.back());
    }
    report.Add({.name = absl::StrCat("decode/", model, "/", ShortName(precision),
                                     backend->on_host() ? "/read_bandwidth" : "/copy_bandwidth"),
                .value = Median(medians) * 1e3,
                .unit = "ms per step",
                .baseline = backend->on_host() ? "read bandwidth" : "copy bandwidth of the device",
                .ratio = Median(shares),
                .details = {{"mbytes_per_step", static_cast<double>(bytes) / 1e6},
                            {"read_gbytes_per_s", Median(bandwidths) / 1e9},
                            {"device", setup.device},
                            {"batch", setup.batch},
                            {"threads", setup.threads}}});
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace trimtab::bench

int main(int argc, char** argv) {
  CLI::App app("A decoding step against memory");
  trimtab::bench::Setup setup;
  app.add_option("--model", setup.model, "Folder of a checkpoint");
  app.add_option("--device", setup.device, "cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--threads", setup.threads)->check(CLI::Range(1, 256))->capture_default_str();
  app.add_option("--batch", setup.batch)->check(CLI::Range(1, 256))->capture_default_str();
  app.add_option("--input-tokens", setup.input_tokens)->check(CLI::Range(1, 16384))->capture_default_str();
  app.add_option("--new-tokens", setup.new_tokens)->check(CLI::Range(2, 1024))->capture_default_str();
  app.add_option("--rounds", setup.rounds, "Of steps and bandwidth in turns")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--json", setup.json, "Rows are written here too");
  CLI11_PARSE(app, argc, argv);
  return trimtab::bench::ExitCode("decode", trimtab::bench::Run(setup));
}
