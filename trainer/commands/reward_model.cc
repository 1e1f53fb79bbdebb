#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/mapped_file.h"
#include "model/rewards/reward_model_config.h"
#include "model/status_macros.h"
#include "model/tokenizer.h"
#include "trainer/commands/command.h"
#include "trainer/commands/supervised_flags.h"
#include "trainer/corpora/constructed_pairs.h"
#include "trainer/supervised/first_layers.h"
#include "trainer/supervised/matching_start.h"
#include "trainer/supervised/task.h"

namespace trimtab {
namespace {

constexpr double kRate = 0.01;  // For a model that has learned to read.

struct RewardModelFlags {
  SupervisedFlags supervised;
  RewardModelConfig config;
  FirstLayers keep;
  bool matching = false;
};

// The two kinds differ in what they read and in the loss.
absl::StatusOr<std::vector<Judgement>> Read(const std::string& path, const Judgement*) { return ReadJudgements(path); }
absl::StatusOr<std::vector<Preference>> Read(const std::string& path, const Preference*) {
  return ReadPreferences(path);
}
absl::StatusOr<std::unique_ptr<Task>> NewTask(const std::vector<Judgement>& lines, const Tokenizer& tokenizer,
                                              const T5Config& config, const RewardModelConfig& reward) {
  return NewConsistencyTask(lines, tokenizer, config, reward);
}
absl::StatusOr<std::unique_ptr<Task>> NewTask(const std::vector<Preference>& lines, const Tokenizer& tokenizer,
                                              const T5Config& config, const RewardModelConfig& reward) {
  return NewQualityTask(lines, tokenizer, config, reward);
}

// As a run's settings say it.
std::string Layers(const FirstLayers& keep) {
  if (keep.encoder == 0 && keep.decoder == 0) return "";
  return absl::StrCat("first layers ", keep.encoder, " and ", keep.decoder, ", ");
}

template <typename Line>
absl::Status Run(RewardModelFlags flags) {
  const Line* const kind = nullptr;
  ASSIGN_OR_RETURN(const std::vector<Line> train, Read(flags.supervised.train, kind));
  ASSIGN_OR_RETURN(std::vector<Line> valid, Read(flags.supervised.valid, kind));
  valid.resize(std::min(valid.size(), static_cast<size_t>(flags.supervised.valid_count)));
  ASSIGN_OR_RETURN(Start start, StartFrom(flags.supervised.model, flags.supervised.out, flags.keep));
  const T5Config& config = start.checkpoint.config;
  if (flags.matching) RETURN_IF_ERROR(StartByMatching(config, flags.supervised.options.seed, start.weights));
  ASSIGN_OR_RETURN(const auto tokenizer, Tokenizer::Create(start.checkpoint.tokenizer_model, config.vocab_size));
  ASSIGN_OR_RETURN(const auto learn, NewTask(train, *tokenizer, config, flags.config));
  ASSIGN_OR_RETURN(const auto watch, NewTask(valid, *tokenizer, config, flags.config));
  const std::string text = RewardModelConfigToJson(flags.config);
  flags.supervised.options.settings =
      absl::StrCat(train.size(), " lines, ", flags.matching ? "matching, " : "", Layers(flags.keep), text);
  RETURN_IF_ERROR(TrainAndWrite(flags.supervised, *learn, *watch, &start));
  return WriteFileAtomically(absl::StrCat(flags.supervised.out, "/", kRewardModelFile),
                             std::as_bytes(std::span<const char>(text.data(), text.size())));
}

}  // namespace

void AddRewardModel(CLI::App& app, Chosen* chosen) {
  CLI::App* parent = app.add_subcommand(
      "reward-model", "Teach a T5 to judge summaries; put the result into reward_models/ of a checkpoint.");
  parent->require_subcommand(1);
  auto flags = std::make_shared<RewardModelFlags>();
  flags->supervised.options.learning_rate = kRate;
  flags->config.max_input_tokens = 160;
  CLI::App* consistency = parent->add_subcommand(
      "consistency", "Does it follow from the document? From {\"document\", \"summary\", \"consistent\"}.");
  CLI::App* quality = parent->add_subcommand("quality", "How good is it? From {\"document\", \"better\", \"worse\"}.");
  for (CLI::App* command : {consistency, quality}) {
    AddSupervisedFlags(*command, &flags->supervised);
    command->add_option("--model", flags->supervised.model, "A plain T5 folder to start from, such as the reference")
        ->type_name("DIR")
        ->required();
    for (const auto& [name, layers] :
         {std::pair("--encoder-layers", &flags->keep.encoder), std::pair("--decoder-layers", &flags->keep.decoder)}) {
      command->add_option(name, *layers, "Keep the first N of --model's before learning. Default: all")
          ->type_name("N")
          ->check(CLI::PositiveNumber);
    }
    command->add_option("--max-input-tokens", flags->config.max_input_tokens, "Document and summary together")
        ->type_name("N")
        ->check(CLI::Range(16, 4096))
        ->capture_default_str();
  }
  consistency->add_flag("--matching", flags->matching,
                        "Write into its first layer the search for each token's other places, which small models do "
                        "not find by themselves; what that layer had learned is lost");
  consistency->callback([flags, chosen] { *chosen = [flags] { return Run<Judgement>(*flags); }; });
  quality->callback([flags, chosen] {
    flags->config.output = RewardOutput::kLogit;
    flags->config.article_prefix = "article: ";
    flags->config.summary_prefix = "summary: ";
    *chosen = [flags] { return Run<Preference>(*flags); };
  });
}

}  // namespace trimtab
