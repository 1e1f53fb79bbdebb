// Algorithm 1: how many steps an hour, where their time goes, and rollouts against decoding in libtorch.
//
//   training CONFIG [--steps N] [--rounds N] [--json FILE]
//
// CONFIG is one of `trimtab-trainer train`. Nothing is published, and the run is left as it was: another one is made
// from its start in a temporary folder.
#include "trainer/training.h"

#include <unistd.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "bench/measure.h"
#include "bench/report.h"
#include "bench/torch_decode.h"
#include "model/rewards/reward_model.h"
#include "model/status_macros.h"
#include "trainer/policy.h"
#include "trainer/process_settings.h"
#include "trainer/rollouts.h"
#include "trainer/run_config.h"
#include "trainer/step_random.h"

namespace trimtab::bench {
namespace {

struct Setup {
  std::string config, json;
  int steps = 20;
  int rounds = 7;
};

// The run itself.
absl::Status Steps(const Setup& setup, const RunConfig& config, Training& training, Report* report) {
  std::map<std::string, std::vector<double>> phases;
  std::vector<double> whole;
  for (int step = 0; step < setup.steps; ++step) {
    ASSIGN_OR_RETURN(const StepReport done, training.Step());
    if (step == 0) continue;  // Memory is taken, pages come in.
    phases["rollout"].push_back(done.rollout_seconds);
    phases["reward"].push_back(done.reward_seconds);
    phases["reference"].push_back(done.reference_seconds);
    phases["update"].push_back(done.update_seconds);
    whole.push_back(done.seconds());
  }
  const double step = Median(whole);
  for (const auto& [phase, seconds] : phases) {
    report->Add({.name = absl::StrCat("training/step/", phase),
                 .value = Median(seconds),
                 .unit = "s",
                 .baseline = "the whole step",
                 .ratio = Median(seconds) / step,
                 .details = {{"steps_per_hour", 3600.0 / step}, {"batch", config.batch}, {"threads", config.threads}}});
  }
  return absl::OkStatus();
}

// The articles of a batch, tokenized.
absl::StatusOr<std::vector<std::vector<int32_t>>> Articles(const RunConfig& config, const Checkpoint& checkpoint) {
  ASSIGN_OR_RETURN(const std::vector<Example> examples, ReadCorpus(config.corpus));
  ASSIGN_OR_RETURN(const auto tokenizer, Tokenizer::Create(checkpoint.tokenizer_model, checkpoint.config.vocab_size));
  std::vector<std::vector<int32_t>> inputs;
  for (int32_t i = 0; i < config.batch; ++i) {
    const std::string prompt = absl::StrCat(checkpoint.clp.task_prefix, examples[i % examples.size()].document);
    ASSIGN_OR_RETURN(inputs.emplace_back(),
                     tokenizer->Encode(prompt, checkpoint.config.eos_id, config.max_input_tokens, nullptr));
  }
  return inputs;
}

// The reference model samples the same articles both ways.
absl::Status AgainstTorch(const Setup& setup, const RunConfig& config, const std::string& origin, Report* report) {
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, OpenCheckpoint(origin));
  ASSIGN_OR_RETURN(const NamedTensors weights, ReferenceWeights(checkpoint));
  ASSIGN_OR_RETURN(const auto inputs, Articles(config, checkpoint));
  ASSIGN_OR_RETURN(Rollouts rollouts, Rollouts::Create(checkpoint.config, {.threads = config.threads,
                                                                           .batch = config.batch,
                                                                           .max_input_tokens = config.max_input_tokens,
                                                                           .max_new_tokens = config.max_new_tokens}));
  std::vector<uint64_t> seeds;
  for (size_t i = 0; i < inputs.size(); ++i) seeds.push_back(StepSeed(1, Chance::kRollout, 0, i));
  torch::set_num_threads(config.threads);
  absl::Status status;
  const Paired times = TimeInTurns(
      [&] {
        const auto packed = PackPlain(PlainCheckpoint(checkpoint.config, weights), rollouts.backend());
        status.Update(packed.ok() ? rollouts.Sample(*packed, inputs, seeds).status() : packed.status());
      },
      [&] { TorchDecode(checkpoint.config, weights, inputs, config.max_new_tokens); }, setup.rounds);
  RETURN_IF_ERROR(status);
  report->Add({.name = "training/rollout/torch",
               .value = times.ours,
               .unit = "s per batch",
               .baseline = "decoding in libtorch: keys and values kept, no gradients",
               .ratio = times.ratio,
               .details = {{"torch_seconds", times.baseline}, {"batch", config.batch}, {"threads", config.threads}}});
  return absl::OkStatus();
}

absl::Status Run(const Setup& setup) {
  Report report(setup.json);
  ASSIGN_OR_RETURN(RunConfig config, ReadRunConfig(setup.config));
  config.out = std::filesystem::temp_directory_path() / absl::StrCat("trimtab-bench-training-", getpid());
  ASSIGN_OR_RETURN(RunFolder folder, RunFolder::Open(config));
  std::vector<std::unique_ptr<RewardScorer>> scorers = BuiltInScorers();
  ASSIGN_OR_RETURN(auto judges, LoadRewardModels(config.start, config.threads));
  for (auto& judge : judges) scorers.push_back(std::move(judge));
  absl::Status status = AgainstTorch(setup, config, folder.origin(), &report);
  if (status.ok()) {
    const auto training = Training::Create(config, &folder, std::move(scorers));
    status = training.ok() ? Steps(setup, config, **training, &report) : training.status();
  }
  std::error_code ignored;
  std::filesystem::remove_all(config.out, ignored);
  return status;
}

}  // namespace
}  // namespace trimtab::bench

int main(int argc, char** argv) {
  trimtab::StartWithSettings(argv);
  CLI::App app("Algorithm 1: steps an hour, and rollouts against libtorch");
  trimtab::bench::Setup setup;
  app.add_option("config", setup.config, "Of a run of trimtab-trainer")->required();
  app.add_option("--steps", setup.steps)->check(CLI::Range(2, 100000))->capture_default_str();
  app.add_option("--rounds", setup.rounds, "Of rollouts and libtorch in turns")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--json", setup.json, "Rows are written here too");
  CLI11_PARSE(app, argc, argv);
  return trimtab::bench::ExitCode("training", trimtab::bench::Run(setup));
}
