#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "kernels/thread_pool.h"
#include "model/status_macros.h"
#include "nlohmann/json.hpp"
#include "trainer/commands/command.h"
#include "trainer/corpora/corpus.h"
#include "trainer/rewards/scorer_set.h"

namespace trimtab {
namespace {

struct ScoreFlags {
  std::string texts;
  std::string judges;
  std::vector<std::string> remote_rewards;
  int threads = 0;
};

struct Judged {
  std::string document, summary, reference;
};

absl::StatusOr<std::vector<Judged>> Read(const std::string& path) {
  std::vector<Judged> all;
  RETURN_IF_ERROR(ForEachJsonLine(path, [&](const nlohmann::json& object, const std::string& where) -> absl::Status {
    Judged judged;
    ASSIGN_OR_RETURN(judged.document, RequiredText(object, "document", where));
    ASSIGN_OR_RETURN(judged.summary, RequiredText(object, "summary", where));
    if (object.contains("reference")) {
      ASSIGN_OR_RETURN(judged.reference, RequiredText(object, "reference", where));
    }
    all.push_back(std::move(judged));
    return absl::OkStatus();
  }));
  return all;
}

absl::Status Run(const ScoreFlags& flags) {
  ASSIGN_OR_RETURN(const std::vector<Judged> all, Read(flags.texts));
  ASSIGN_OR_RETURN(const ScorerSet scorers,
                   ScorerSet::Open(flags.judges, flags.remote_rewards, ThreadsOrCores(flags.threads)));
  std::vector<ScoredText> texts;
  for (const Judged& judged : all) texts.push_back({judged.document, judged.summary, judged.reference});
  ASSIGN_OR_RETURN(const std::vector<Scores> scores, scorers.ScoreAll(texts));
  for (const Scores& one : scores) std::cout << nlohmann::json(one).dump() << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddScore(CLI::App& app, Chosen* chosen) {
  CLI::App* command =
      app.add_subcommand("score", "Say what summaries of any origin are worth: one JSON object of all scores a line.");
  auto flags = std::make_shared<ScoreFlags>();
  command
      ->add_option("--texts", flags->texts,
                   "JSONL of {\"document\", \"summary\", \"reference\"}; the reference in all lines or in none")
      ->type_name("FILE")
      ->required();
  command->add_option("--judges", flags->judges, "Folder whose reward_models/ judge")->type_name("DIR")->required();
  command->add_option("--remote-reward", flags->remote_rewards, "A server of trimtab.v1.Rewards; may be given again")
      ->type_name("HOST:PORT")
      ->allow_extra_args(false);
  command->add_option("--threads", flags->threads, "0: one per core")->type_name("N")->capture_default_str();
  command->callback([flags, chosen] { *chosen = [flags] { return Run(*flags); }; });
}

}  // namespace trimtab
