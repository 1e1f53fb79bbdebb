// Our side of bench/peers: loads a folder, prints "ready", then answers each line "run BATCH INPUT_TOKENS NEW_TOKENS"
// on the standard input with one line of JSON, and "limits" with what the machine can do. bench/peers/run.py talks to
// it.
//
//   peers_worker --model DIR --precision NAME [--threads N]
#include <chrono>
#include <iostream>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "bench/measure.h"
#include "bench/report.h"
#include "kernels/backend.h"
#include "model/checkpoint.h"
#include "model/engine.h"
#include "model/status_macros.h"
#include "nlohmann/json.hpp"

namespace trimtab::bench {
namespace {

using Clock = std::chrono::steady_clock;

double Since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// The ids all peers are given; see ids() in bench/peers/protocol.py.
std::vector<int32_t> Ids(int sequence, int length) {
  std::vector<int32_t> ids(length, 1);
  for (int i = 0; i + 1 < length; ++i) {
    const uint32_t n = static_cast<uint32_t>(sequence * 100003 + i + 1);
    ids[i] = static_cast<int32_t>(3 + (1103515245u * n + 12345u) % 2147483648u % 30000u);
  }
  return ids;
}

class Worker {
 public:
  absl::Status Load(const std::string& model, const std::string& precision_name, int threads) {
    ASSIGN_OR_RETURN(const Precision precision, ParsePrecision(precision_name));
    ASSIGN_OR_RETURN(const Checkpoint checkpoint, OpenCheckpoint(model));
    threads_ = threads;
    backend_ = NewCpuBackend(threads);
    ASSIGN_OR_RETURN(parameters_, Parameters::Create(checkpoint, backend_.get(), precision));
    ASSIGN_OR_RETURN(const Weighting weighting, Weighting::Create(parameters_->clp().mixing, 0, 1.0, {}));
    ASSIGN_OR_RETURN(
        weights_,
        MixedWeights::Mix(parameters_, Coefficients::From(parameters_->clp().mixing, weighting, {}), backend_.get()));
    return absl::OkStatus();
  }

  absl::StatusOr<nlohmann::ordered_json> Run(int batch, int input_tokens, int new_tokens) {
    const EngineOptions limits{.max_rows = batch,
                               .max_input_tokens = input_tokens,
                               .max_new_tokens = new_tokens,
                               .max_encode_tokens = std::min(batch * input_tokens, 4096),
                               .max_stall = std::numeric_limits<double>::infinity()};  // As a batch of the peers runs.
    ASSIGN_OR_RETURN(const auto engine, NewEngine(parameters_->config(), limits, backend_.get()));
    GenerationOptions options;
    options.max_new_tokens = options.min_new_tokens = new_tokens;
    const Clock::time_point start = Clock::now();
    for (int i = 0; i < batch; ++i) {
      RETURN_IF_ERROR(engine->Admit({static_cast<uint64_t>(i), Ids(i, input_tokens), weights_, options}));
    }
    // Prefill is the time of all steps' encoder parts: here the steps up to the last request's encoding, less what the
    // first ones already decoded meanwhile, which counts as decoding.
    double prefill = 0;
    int encoded = 0;
    int64_t tokens = 0;
    std::vector<int32_t> first;
    std::vector<EngineEvent> events;
    while (!engine->idle()) {
      events.clear();
      engine->Step(&events);
      for (EngineEvent& event : events) {
        if (event.kind == EngineEvent::Kind::kEncoded && ++encoded == batch) prefill = Since(start);
        if (event.kind != EngineEvent::Kind::kFinished) continue;
        tokens += static_cast<int64_t>(event.generation.tokens.size());
        if (event.id == 0) first = event.generation.tokens;
      }
    }
    nlohmann::ordered_json result;
    result["total_s"] = Since(start);
    result["prefill_s"] = prefill;
    result["tokens"] = tokens;
    result["first"] = first;
    return result;
  }

  nlohmann::ordered_json Limits() const {
    return {{"fma_peak", FmaPeak(threads_)}, {"read_bandwidth", ReadBandwidth(threads_, int64_t{512} << 20)}};
  }

 private:
  int threads_ = 0;
  std::unique_ptr<Backend> backend_;
  std::shared_ptr<const Parameters> parameters_;
  std::shared_ptr<const MixedWeights> weights_;
};

absl::Status Serve(Worker& worker) {
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string run;
    int batch = 0, input_tokens = 0, new_tokens = 0;
    if (line == "limits") {
      std::cout << worker.Limits().dump() << std::endl;
      continue;
    }
    if (!(words >> run >> batch >> input_tokens >> new_tokens) || run != "run") {
      return absl::InvalidArgumentError(absl::StrCat("'", line, "' is no request; expected: run BATCH INPUT NEW"));
    }
    ASSIGN_OR_RETURN(const nlohmann::ordered_json result, worker.Run(batch, input_tokens, new_tokens));
    std::cout << result.dump() << std::endl;
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace trimtab::bench

int main(int argc, char** argv) {
  CLI::App app("Our side of bench/peers");
  std::string model, precision = "float32";
  int threads = 2;
  app.add_option("--model", model)->required();
  app.add_option("--precision", precision)->capture_default_str();
  app.add_option("--threads", threads)->check(CLI::Range(1, 256))->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  trimtab::bench::Worker worker;
  absl::Status status = worker.Load(model, precision, threads);
  if (status.ok()) status = trimtab::bench::Serve(worker);
  return trimtab::bench::ExitCode("peers_worker", status);
}
