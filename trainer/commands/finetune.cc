#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/rewards/rouge_scorer.h"
#include "model/status_macros.h"
#include "model/tokenizer.h"
#include "trainer/commands/command.h"
#include "trainer/commands/supervised_flags.h"
#include "trainer/rewards/written.h"
#include "trainer/supervised/task.h"

namespace trimtab {
namespace {

// Of those tried on package descriptions.
constexpr double kRateFromNothing = 0.03;

struct FinetuneFlags {
  SupervisedFlags supervised;
  std::string tokenizer;
  NewShape shape;
  SummaryTaskOptions task;
};

absl::StatusOr<Start> Begin(const FinetuneFlags& flags) {
  const SupervisedFlags& supervised = flags.supervised;
  if (!supervised.model.empty()) return StartFrom(supervised.model, supervised.out);
  if (!flags.tokenizer.empty()) {
    return StartFromNothing(flags.shape, flags.tokenizer, supervised.options.seed, supervised.out);
  }
  return absl::InvalidArgumentError("neither --model nor --tokenizer; expected a T5 folder, or a spiece.model");
}

// ROUGE of what the serving engine writes with the result, beside what it costs nothing to write.
absl::Status ReportRouge(const FinetuneFlags& flags, std::vector<Example> examples) {
  std::vector<std::string> first_sentences;
  for (const Example& example : examples) first_sentences.push_back(FirstSentence(example.document));
  std::vector<std::unique_ptr<RewardScorer>> scorers;
  scorers.push_back(std::make_unique<RougeScorer>());
  ASSIGN_OR_RETURN(const ScorerSet rouge, ScorerSet::Of(std::move(scorers)));
  Written baseline{.weighting = {}, .summaries = std::move(first_sentences), .scores = {}};
  ASSIGN_OR_RETURN(baseline.scores, rouge.ScoreAll(TextsOf(examples, baseline.summaries)));
  for (Example& example : examples) example.document = flags.task.task_prefix + example.document;
  OfflineOptions engine;
  engine.model = flags.supervised.out;
  engine.max_input_tokens = flags.task.max_input_tokens;
  v1::GenerationOptions greedy;
  greedy.set_max_new_tokens(flags.task.max_target_tokens);
  ASSIGN_OR_RETURN(const std::vector<Written> written,
                   WriteAndScore(engine, examples, {v1::Steering()}, greedy, rouge));
  std::cout << absl::StrFormat(
      "held-out ROUGE-Lsum %.2f over %d summaries of %.1f words; first sentences: %.2f, %.1f words\n",
      written[0].Means().at("rouge_lsum"), examples.size(), written[0].WordsPerSummary(),
      baseline.Means().at("rouge_lsum"), baseline.WordsPerSummary());
  return absl::OkStatus();
}

absl::Status Run(FinetuneFlags flags) {
  ASSIGN_OR_RETURN(const std::vector<Example> train, ReadCorpus(flags.supervised.train));
  ASSIGN_OR_RETURN(std::vector<Example> valid, ReadCorpus(flags.supervised.valid));
  valid.resize(std::min(valid.size(), static_cast<size_t>(flags.supervised.valid_count)));
  ASSIGN_OR_RETURN(Start start, Begin(flags));
  const T5Config& config = start.checkpoint.config;
  ASSIGN_OR_RETURN(const auto tokenizer, Tokenizer::Create(start.checkpoint.tokenizer_model, config.vocab_size));
  ASSIGN_OR_RETURN(const auto learn, NewSummaryTask(train, *tokenizer, config, flags.task));
  ASSIGN_OR_RETURN(const auto watch, NewSummaryTask(valid, *tokenizer, config, flags.task));
  flags.supervised.options.settings =
      absl::StrCat(train.size(), " examples, prefix \"", flags.task.task_prefix, "\", at most ",
                   flags.task.max_input_tokens, " and ", flags.task.max_target_tokens, " tokens");
  RETURN_IF_ERROR(TrainAndWrite(flags.supervised, *learn, *watch, &start));
  return ReportRouge(flags, std::move(valid));
}

}  // namespace

void AddFinetune(CLI::App& app, Chosen* chosen) {
  CLI::App* command = app.add_subcommand(
      "finetune", "Teach a T5 to summarise, from a folder or from nothing: the reference that CLP starts from.");
  auto flags = std::make_shared<FinetuneFlags>();
  flags->supervised.options.learning_rate = kRateFromNothing;
  AddSupervisedFlags(*command, &flags->supervised);
  CLI::Option* model =
      command->add_option("--model", flags->supervised.model, "A plain T5 folder to start from")->type_name("DIR");
  command->add_option("--tokenizer", flags->tokenizer, "Start from nothing, with this spiece.model")
      ->type_name("FILE")
      ->excludes(model);
  const auto add = [&](const char* name, int32_t& value, const char* type, const char* help) {
    command->add_option(name, value, help)->type_name(type)->check(CLI::Range(1, 8192))->capture_default_str();
  };
  add("--d-model", flags->shape.d_model, "N", "Width of a model made from nothing");
  add("--heads", flags->shape.heads, "N", "Its attention heads");
  add("--d-ff", flags->shape.d_ff, "N", "Width of its feed-forward layers");
  add("--layers", flags->shape.layers, "N", "Layers of its encoder, and of its decoder");
  add("--max-input-tokens", flags->task.max_input_tokens, "N", "Longer documents are cut");
  add("--max-target-tokens", flags->task.max_target_tokens, "N", "Longer summaries too");
  command->add_option("--task-prefix", flags->task.task_prefix, "Put before every document")->capture_default_str();
  command->callback([flags, chosen] { *chosen = [flags] { return Run(*flags); }; });
}

}  // namespace trimtab
