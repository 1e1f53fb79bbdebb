// What guessing from the article saves: decoding alone, with and without drafts, in turns, on the same texts; those
// whose summary copies from the article apart from the others.
//
//   draft --input FILE [--model DIR] [--precision NAME] [--new-tokens N] [--batch N] [--json FILE]
//   draft --random [--precision NAME] ...      random weights of FLAN-T5-base's shape that write the same for every
//   article
//
// FILE holds one JSON object a line with the text in "document", as `trimtab summarize --input` takes them.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "bench/models.h"
#include "bench/report.h"
#include "kernels/backend.h"
#include "model/checkpoint.h"
#include "model/engine.h"
#include "model/status_macros.h"
#include "model/tokenizer.h"
#include "nlohmann/json.hpp"

namespace trimtab::bench {
namespace {

constexpr int kMaxInputTokens = 512;

struct Setup {
  std::string model = "deploy/models/debian-pilot", input, json, precision = "float32";
  int threads = 2, draft_tokens = 7, new_tokens = 64, batch = 1, repeats = 5;
  bool random = false;
};

struct Totals {
  double decode_s = 0;
  int64_t steps = 0, drafted = 0, accepted = 0;
};

using Outputs = std::vector<std::vector<int32_t>>;

// `batch` requests at a time; counts the steps that only decode. *outputs, unless null, gets what was written.
absl::StatusOr<Totals> Decode(Engine& engine, const std::vector<EngineRequest>& requests, size_t batch,
                              Outputs* outputs = nullptr) {
  Totals totals;
  std::vector<EngineEvent> events;
  for (size_t begin = 0; begin < requests.size(); begin += batch) {
    for (size_t i = begin; i < std::min(requests.size(), begin + batch); ++i) {
      EngineRequest request = requests[i];
      request.id = i;
      RETURN_IF_ERROR(engine.Admit(std::move(request)));
    }
    while (!engine.idle()) {
      events.clear();
      const auto start = std::chrono::steady_clock::now();
      const StepStats stats = engine.Step(&events);
      const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
      for (EngineEvent& event : events) {
        const bool finished = event.kind == EngineEvent::Kind::kFinished;
        if (finished && outputs != nullptr) (*outputs)[event.id] = std::move(event.generation.tokens);
      }
      if (stats.encode_tokens > 0) continue;
      totals.decode_s += elapsed.count();
      ++totals.steps;
      totals.drafted += stats.draft_tokens;
      totals.accepted += stats.draft_accepted;
    }
  }
  return totals;
}

// At least half of the pairs of neighbouring tokens that were written stand in the article.
bool Copies(const std::vector<int32_t>& article, const std::vector<int32_t>& summary) {
  std::set<std::pair<int32_t, int32_t>> pairs;
  for (size_t i = 1; i < article.size(); ++i) pairs.emplace(article[i - 1], article[i]);
  size_t copied = 0;
  for (size_t i = 1; i < summary.size(); ++i) copied += pairs.contains({summary[i - 1], summary[i]});
  return summary.size() > 2 && 2 * copied >= summary.size() - 1;
}

// The article no longer reaches what is written; reading it costs what it did.
void Disregard(Checkpoint* checkpoint) {
  for (ModelTensor& tensor : checkpoint->tensors) {
    if (!absl::EndsWith(tensor.spec.name, ".EncDecAttention.o.weight")) continue;
    for (Tensor& set : tensor.sets) {
      const auto zeros = std::make_shared<const std::vector<std::byte>>(set.bytes.size());
      set.bytes = *zeros;
      checkpoint->owners.push_back(zeros);
    }
  }
}

class Drafts {
 public:
  Drafts(const Setup& setup, Report* report) : setup_(setup), report_(report) {}

  absl::Status Load() {
    ASSIGN_OR_RETURN(const Precision precision, ParsePrecision(setup_.precision));
    ASSIGN_OR_RETURN(checkpoint_, OpenCheckpoint(setup_.model));
    if (setup_.random) Disregard(&*checkpoint_);
    backend_ = NewCpuBackend(setup_.threads);
    ASSIGN_OR_RETURN(parameters_, Parameters::Create(*checkpoint_, backend_.get(), precision));
    EngineOptions limits{.max_rows = setup_.batch,
                         .max_input_tokens = kMaxInputTokens,
                         .max_new_tokens = setup_.new_tokens,
                         .max_encode_tokens = kMaxInputTokens * setup_.batch};
    ASSIGN_OR_RETURN(plain_, NewEngine(checkpoint_->config, limits, backend_.get()));
    limits.max_draft_tokens = setup_.draft_tokens;
    ASSIGN_OR_RETURN(drafting_, NewEngine(checkpoint_->config, limits, backend_.get()));
    return absl::OkStatus();
  }

  absl::Status Embedded() {
    const ClpConfig& clp = checkpoint_->clp;
    const int rewards = static_cast<int>(clp.rewards.size());
    for (int vertex = 0; vertex < std::max(1, rewards); ++vertex) {
      std::vector<double> w(rewards, 0.0);
      if (rewards > 0) w[vertex] = 1.0;
      ASSIGN_OR_RETURN(const auto weights, Mixture(rewards > 0 ? clp.mixing.alpha_min : 1.0, w));
      ASSIGN_OR_RETURN(const std::vector<EngineRequest> requests, Texts(weights));
      Outputs outputs(requests.size());
      RETURN_IF_ERROR(Decode(*plain_, requests, setup_.batch, &outputs).status());
      std::vector<EngineRequest> copying, others;
      for (size_t i = 0; i < requests.size(); ++i) {
        (Copies(requests[i].input_ids, outputs[i]) ? copying : others).push_back(requests[i]);
      }
      const std::string name = absl::StrCat("peers/demo/draft/b", setup_.batch,
                                            rewards > 0 ? absl::StrCat("/", clp.rewards[vertex].name) : "");
      RETURN_IF_ERROR(Compare(name, requests));
      RETURN_IF_ERROR(Compare(name + "/copying", copying));
      RETURN_IF_ERROR(Compare(name + "/others", others));
    }
    return absl::OkStatus();
  }

  // Whatever the article says, the model writes the same: articles that hold it are copied from, others are not.
  absl::Status Random() {
    constexpr int kTexts = 4;
    ASSIGN_OR_RETURN(const auto weights, Mixture(1.0, {}));
    std::vector<EngineRequest> copying, others;
    for (int n = 0; n < kTexts; ++n) {
      EngineRequest request{0, std::vector<int32_t>(kMaxInputTokens, 1), weights, Options()};
      request.options.min_new_tokens = setup_.new_tokens;
      for (int i = 0; i + 1 < kMaxInputTokens; ++i) request.input_ids[i] = 3 + (n * 7919 + i * 104729) % 30000;
      others.push_back(request);
    }
    Outputs outputs(1);
    RETURN_IF_ERROR(Decode(*plain_, {others[0]}, 1, &outputs).status());
    for (EngineRequest request : others) {
      std::copy(outputs[0].begin(), outputs[0].end(), request.input_ids.begin() + kMaxInputTokens / 2);
      copying.push_back(std::move(request));
    }
    const std::string name = absl::StrCat("peers/base/draft/b", setup_.batch);
    RETURN_IF_ERROR(Compare(name + "/copying", copying));
    return Compare(name + "/others", others);
  }

 private:
  GenerationOptions Options() const {
    GenerationOptions options;
    options.max_new_tokens = setup_.new_tokens;
    return options;
  }

  absl::StatusOr<std::shared_ptr<const MixedWeights>> Mixture(double alpha, const std::vector<double>& w) const {
    const MixingRule& mixing = checkpoint_->clp.mixing;
    ASSIGN_OR_RETURN(const Weighting weighting, Weighting::Create(mixing, static_cast<int>(w.size()), alpha, w));
    return MixedWeights::Mix(parameters_, Coefficients::From(mixing, weighting, {}), backend_.get());
  }

  absl::StatusOr<std::vector<EngineRequest>> Texts(const std::shared_ptr<const MixedWeights>& weights) const {
    ASSIGN_OR_RETURN(const auto tokenizer,
                     Tokenizer::Create(checkpoint_->tokenizer_model, checkpoint_->config.vocab_size));
    std::ifstream file(setup_.input);
    std::vector<EngineRequest> requests;
    for (std::string line; std::getline(file, line);) {
      const std::string text = nlohmann::json::parse(line).at("document");
      ASSIGN_OR_RETURN(std::vector<int32_t> ids,
                       tokenizer->Encode(absl::StrCat(checkpoint_->clp.task_prefix, text), checkpoint_->config.eos_id,
                                         kMaxInputTokens, nullptr));
      requests.push_back({0, std::move(ids), weights, Options()});
    }
    if (requests.empty()) return absl::NotFoundError(absl::StrCat("'", setup_.input, "' holds no text: give --input"));
    return requests;
  }

  absl::Status Compare(const std::string& name, const std::vector<EngineRequest>& requests) {
    if (requests.empty()) return absl::OkStatus();
    std::vector<double> ratios;
    Totals with, without;
    for (int repeat = 0; repeat < setup_.repeats; ++repeat) {
      ASSIGN_OR_RETURN(without, Decode(*plain_, requests, setup_.batch));
      ASSIGN_OR_RETURN(with, Decode(*drafting_, requests, setup_.batch));
      ratios.push_back(without.decode_s / with.decode_s);
    }
    std::sort(ratios.begin(), ratios.end());
    report_->Add({.name = name,
                  .value = with.decode_s / static_cast<double>(requests.size()) * 1e3,
                  .unit = "ms of decoding",
                  .baseline = "no drafts",
                  .ratio = ratios[ratios.size() / 2],
                  .details = {{"least", ratios.front()},
                              {"most", ratios.back()},
                              {"texts", requests.size()},
                              {"steps_without", without.steps},
                              {"steps_with", with.steps},
                              {"drafted", with.drafted},
                              {"accepted", with.accepted},
                              {"precision", setup_.precision}}});
    return absl::OkStatus();
  }

  const Setup setup_;
  Report* const report_;
  std::optional<Checkpoint> checkpoint_;
  std::unique_ptr<Backend> backend_;
  std::shared_ptr<const Parameters> parameters_;
  std::unique_ptr<Engine> plain_, drafting_;
};

absl::Status Run(Setup setup) {
  Report report(setup.json);
  if (setup.random) {
    ASSIGN_OR_RETURN(setup.model, RandomModel("flan-t5-base", "", 0));
  }
  Drafts drafts(setup, &report);
  RETURN_IF_ERROR(drafts.Load());
  return setup.random ? drafts.Random() : drafts.Embedded();
}

}  // namespace
}  // namespace trimtab::bench

int main(int argc, char** argv) {
  CLI::App app("Decoding with and without drafts");
  trimtab::bench::Setup setup;
  app.add_option("--model", setup.model, "Folder of a checkpoint")->capture_default_str();
  app.add_option("--input", setup.input, "Texts, one JSON object a line with \"document\"");
  app.add_flag("--random", setup.random,
               "Random weights of FLAN-T5-base's shape that write the same for every article");
  app.add_option("--precision", setup.precision)->capture_default_str();
  app.add_option("--threads", setup.threads)->check(CLI::Range(1, 256))->capture_default_str();
  app.add_option("--draft-tokens", setup.draft_tokens)->check(CLI::Range(1, 11))->capture_default_str();
  app.add_option("--new-tokens", setup.new_tokens)->check(CLI::Range(2, 1024))->capture_default_str();
  app.add_option("--batch", setup.batch)->check(CLI::Range(1, 64))->capture_default_str();
  app.add_option("--repeats", setup.repeats)->check(CLI::Range(1, 100))->capture_default_str();
  app.add_option("--json", setup.json, "Rows are written here too");
  CLI11_PARSE(app, argc, argv);
  return trimtab::bench::ExitCode("draft", trimtab::bench::Run(setup));
}
