// What guessing from the article saves: decoding alone, with and without drafts, in turns, on the same texts.
//
//   draft --model DIR --input FILE [--precision NAME] [--tokens N] [--batch N]      one JSON object a line
//
// FILE holds one JSON object a line with the text in "document", as `trimtab summarize --input` takes them.
#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "bench/measure.h"
#include "kernels/backend.h"
#include "model/checkpoint.h"
#include "model/engine.h"
#include "model/status_macros.h"
#include "model/tokenizer.h"
#include "nlohmann/json.hpp"

namespace trimtab::bench {
namespace {

struct Setup {
  std::string model, input, precision = "float32";
  int threads = 2, draft_tokens = 7, new_tokens = 64, batch = 1, repeats = 3;
};

struct Totals {
  double decode_s = 0;
  int64_t steps = 0, tokens = 0, drafted = 0, accepted = 0;
};

absl::StatusOr<std::vector<EngineRequest>> Requests(const Setup& setup, const Checkpoint& checkpoint,
                                                    std::shared_ptr<const MixedWeights> weights) {
  ASSIGN_OR_RETURN(const auto tokenizer, Tokenizer::Create(checkpoint.tokenizer_model, checkpoint.config.vocab_size));
  std::ifstream file(setup.input);
  std::vector<EngineRequest> requests;
  for (std::string line; std::getline(file, line);) {
    const std::string text = nlohmann::json::parse(line).at("document");
    ASSIGN_OR_RETURN(std::vector<int32_t> ids, tokenizer->Encode(absl::StrCat(checkpoint.clp.task_prefix, text),
                                                                 checkpoint.config.eos_id, 512, nullptr));
    EngineRequest request{requests.size() + 1, std::move(ids), weights, {}};
    request.options.max_new_tokens = setup.new_tokens;
    requests.push_back(std::move(request));
  }
  if (requests.empty()) return absl::NotFoundError(absl::StrCat(setup.input, ": holds no text"));
  return requests;
}

// `batch` requests at a time; counts the steps that only decode.
absl::StatusOr<Totals> Decode(Engine& engine, const std::vector<EngineRequest>& requests, size_t batch) {
  Totals totals;
  std::vector<EngineEvent> events;
  for (size_t begin = 0; begin < requests.size(); begin += batch) {
    for (size_t i = begin; i < std::min(requests.size(), begin + batch); ++i)
      RETURN_IF_ERROR(engine.Admit(requests[i]));
    while (!engine.idle()) {
      events.clear();
      const auto start = std::chrono::steady_clock::now();
      const StepStats stats = engine.Step(&events);
      const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
      if (stats.encode_tokens > 0) continue;
      totals.decode_s += elapsed.count();
      ++totals.steps;
      totals.drafted += stats.draft_tokens;
      totals.accepted += stats.draft_accepted;
      for (const EngineEvent& event : events) totals.tokens += event.kind == EngineEvent::Kind::kToken;
    }
  }
  return totals;
}

absl::Status Run(const Setup& setup) {
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, OpenCheckpoint(setup.model));
  ASSIGN_OR_RETURN(const Precision precision, ParsePrecision(setup.precision));
  const std::unique_ptr<Backend> backend = NewCpuBackend(setup.threads);
  ASSIGN_OR_RETURN(const auto parameters, Parameters::Create(checkpoint, backend.get(), precision));
  const int rewards = static_cast<int>(checkpoint.clp.rewards.size());
  for (int vertex = 0; vertex < std::max(1, rewards); ++vertex) {
    std::vector<double> w(rewards, 0.0);
    if (rewards > 0) w[vertex] = 1.0;
    const double alpha = rewards > 0 ? checkpoint.clp.mixing.alpha_min : 1.0;
    ASSIGN_OR_RETURN(const Weighting weighting, Weighting::Create(checkpoint.clp.mixing, rewards, alpha, w));
    ASSIGN_OR_RETURN(
        const auto weights,
        MixedWeights::Mix(parameters, Coefficients::From(checkpoint.clp.mixing, weighting, {}), backend.get()));
    ASSIGN_OR_RETURN(const std::vector<EngineRequest> requests, Requests(setup, checkpoint, weights));
    EngineOptions limits{.max_rows = setup.batch,
                         .max_input_tokens = 512,
                         .max_new_tokens = setup.new_tokens,
                         .max_encode_tokens = 512 * setup.batch};
    ASSIGN_OR_RETURN(const auto plain, NewEngine(checkpoint.config, limits, backend.get()));
    limits.max_draft_tokens = setup.draft_tokens;
    ASSIGN_OR_RETURN(const auto drafting, NewEngine(checkpoint.config, limits, backend.get()));
    std::vector<double> ratios;
    Totals with, without;
    for (int repeat = 0; repeat < setup.repeats; ++repeat) {
      ASSIGN_OR_RETURN(without, Decode(*plain, requests, setup.batch));
      ASSIGN_OR_RETURN(with, Decode(*drafting, requests, setup.batch));
      ratios.push_back(without.decode_s / with.decode_s);
    }
    std::sort(ratios.begin(), ratios.end());
    nlohmann::ordered_json row;
    row["bench"] = "draft";
    row["precision"] = setup.precision;
    row["batch"] = setup.batch;
    row["reward"] = rewards > 0 ? checkpoint.clp.rewards[vertex].name : "none";
    row["texts"] = requests.size();
    row["speedup"] = ratios[ratios.size() / 2];
    row["speedup_min"] = ratios.front();
    row["speedup_max"] = ratios.back();
    row["steps_without"] = without.steps;
    row["steps_with"] = with.steps;
    row["drafted"] = with.drafted;
    row["accepted"] = with.accepted;
    std::cout << row.dump() << std::endl;
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace trimtab::bench

int main(int argc, char** argv) {
  CLI::App app("Decoding with and without drafts");
  trimtab::bench::Setup setup;
  app.add_option("--model", setup.model, "Folder of a checkpoint")->required();
  app.add_option("--input", setup.input, "Texts, one JSON object a line with \"document\"")->required();
  app.add_option("--precision", setup.precision)->capture_default_str();
  app.add_option("--threads", setup.threads)->check(CLI::Range(1, 256))->capture_default_str();
  app.add_option("--draft-tokens", setup.draft_tokens)->check(CLI::Range(1, 11))->capture_default_str();
  app.add_option("--new-tokens", setup.new_tokens)->check(CLI::Range(2, 1024))->capture_default_str();
  app.add_option("--batch", setup.batch)->check(CLI::Range(1, 64))->capture_default_str();
  app.add_option("--repeats", setup.repeats)->check(CLI::Range(1, 100))->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (const absl::Status status = trimtab::bench::Run(setup); !status.ok()) {
    std::cerr << "draft: " << status.message() << "\n";
    return 1;
  }
}
