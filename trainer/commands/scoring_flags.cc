#include "trainer/commands/scoring_flags.h"

#include <algorithm>
#include <utility>

#include "kernels/thread_pool.h"
#include "model/checkpoint.h"
#include "model/status_macros.h"

namespace trimtab {

void AddScoringFlags(CLI::App& app, ScoringFlags* flags) {
  app.add_option("--model", flags->engine.model, "Folder of the checkpoint")->type_name("DIR")->required();
  app.add_option("--corpus", flags->corpus, "JSONL of {\"id\", \"document\", \"summary\"}")
      ->type_name("FILE")
      ->required();
  app.add_option("--judges", flags->judges, "Folder whose reward_models/ judge; by default the checkpoint's own")
      ->type_name("DIR");
  app.add_option("--count", flags->count, "Examples to take, from the first")
      ->type_name("N")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--remote-reward", flags->remote_rewards, "A server of trimtab.v1.Rewards; may be given again")
      ->type_name("HOST:PORT")
      ->allow_extra_args(false);
  app.add_option("--threads", flags->engine.threads, "0: one per core")->type_name("N")->capture_default_str();
  app.add_option("--max-input-tokens", flags->engine.max_input_tokens, "Longer documents are cut")
      ->type_name("N")
      ->check(CLI::Range(16, 4096))
      ->capture_default_str();
}

absl::StatusOr<ScoringInputs> OpenScoring(const ScoringFlags& flags) {
  ASSIGN_OR_RETURN(CheckpointTexts texts, ReadCheckpointTexts(flags.engine.model));
  ASSIGN_OR_RETURN(std::vector<Example> examples, ReadCorpus(flags.corpus));
  examples.resize(std::min(examples.size(), static_cast<size_t>(flags.count)));
  const std::string& judges = flags.judges.empty() ? flags.engine.model : flags.judges;
  ASSIGN_OR_RETURN(ScorerSet scorers,
                   ScorerSet::Open(judges, flags.remote_rewards, ThreadsOrCores(flags.engine.threads)));
  return ScoringInputs{std::move(texts.clp), std::move(examples), std::move(scorers)};
}

}  // namespace trimtab
