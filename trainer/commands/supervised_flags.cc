#include "trainer/commands/supervised_flags.h"

#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kernels/thread_pool.h"
#include "model/status_macros.h"

namespace trimtab {

void AddSupervisedFlags(CLI::App& app, SupervisedFlags* flags) {
  SupervisedOptions& options = flags->options;
  app.add_option("--train", flags->train, "JSONL to learn from")->type_name("FILE")->required();
  app.add_option("--valid", flags->valid, "JSONL that is held out")->type_name("FILE")->required();
  app.add_option("--valid-count", flags->valid_count, "Of its lines, so many are used")
      ->type_name("N")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--out", flags->out, "Folder of the result; begun already, it is continued")
      ->type_name("DIR")
      ->required();
  const auto add = [&app](const char* name, auto& value, const char* type, const char* help) {
    return app.add_option(name, value, help)->type_name(type)->check(CLI::NonNegativeNumber)->capture_default_str();
  };
  add("--steps", options.steps, "N", "Batches to learn from")->check(CLI::PositiveNumber);
  add("--batch", options.batch_size, "N", "Examples of a batch")->check(CLI::PositiveNumber);
  add("--learning-rate", options.learning_rate, "RATE", "Adafactor's, at its highest; falls to 0 along a cosine");
  add("--warmup", options.warmup_steps, "STEPS", "In which the rate rises");
  add("--dropout", options.dropout, "SHARE", "As T5 has it")->check(CLI::Range(0.0, 0.9));
  add("--threads", flags->threads, "N", "0: one per core; dropout wants one anyway");
  add("--seed", options.seed, "N", "Of the order of examples, of dropout, and of a model made from nothing");
  add("--evaluate-every", options.evaluate_every, "STEPS", "Between held-out losses")->check(CLI::PositiveNumber);
  add("--checkpoint-every", options.checkpoint_every, "STEPS", "That a kill may cost")->check(CLI::PositiveNumber);
}

absl::Status TrainAndWrite(const SupervisedFlags& flags, const Task& train, const Task& valid, Start* start) {
  SupervisedOptions options = flags.options;
  options.threads = ThreadsOrCores(flags.threads);
  const auto report = [&flags, &valid](const Progress& progress) {
    std::cout << absl::StrFormat("step %d of %d: loss %.4f, held-out %.4f", progress.step, flags.options.steps,
                                 progress.loss, progress.held_out);
    if (valid.judges()) std::cout << absl::StrFormat(", accuracy %.4f", progress.accuracy);
    std::cout << std::endl;
  };
  ASSIGN_OR_RETURN(const Progress end, RunSupervised(start->checkpoint.config, options, train, valid,
                                                     StateFile(flags.out), start->weights, report));
  RETURN_IF_ERROR(WriteWeights(start->weights, flags.out));
  std::cout << absl::StrFormat("wrote %s: held-out loss %.4f after %d steps\n", flags.out, end.held_out, end.step);
  return absl::OkStatus();
}

}  // namespace trimtab
