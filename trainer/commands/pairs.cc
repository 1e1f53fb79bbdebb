#include <cstdint>
#include <iostream>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "model/status_macros.h"
#include "trainer/commands/command.h"
#include "trainer/corpora/constructed_pairs.h"

namespace trimtab {
namespace {

struct PairsFlags {
  std::string corpus;
  std::string out;
  uint64_t seed = 1;
};

// "wrote FILE: 100 lines (50 true, 30 nearest, ...)"
template <typename Line>
void Report(const std::vector<Line>& lines, const std::string& out) {
  std::map<std::string, int> counts;
  for (const Line& line : lines) ++counts[line.construction];
  std::string parts;
  for (const auto& [construction, count] : counts) {
    absl::StrAppend(&parts, parts.empty() ? "" : ", ", count, " ", construction);
  }
  std::cout << absl::StrCat("wrote ", out, ": ", lines.size(), " lines (", parts, ")\n");
}

absl::Status Consistency(const PairsFlags& flags) {
  ASSIGN_OR_RETURN(const std::vector<Example> examples, ReadCorpus(flags.corpus));
  const std::vector<Judgement> judgements = ConstructJudgements(examples, flags.seed);
  RETURN_IF_ERROR(WriteJudgements(judgements, flags.out));
  Report(judgements, flags.out);
  return absl::OkStatus();
}

absl::Status Quality(const PairsFlags& flags) {
  ASSIGN_OR_RETURN(const std::vector<Example> examples, ReadCorpus(flags.corpus));
  const std::vector<Preference> preferences = ConstructPreferences(examples, flags.seed);
  RETURN_IF_ERROR(WritePreferences(preferences, flags.out));
  Report(preferences, flags.out);
  return absl::OkStatus();
}

}  // namespace

void AddPairs(CLI::App& app, Chosen* chosen) {
  CLI::App* pairs =
      app.add_subcommand("pairs", "Construct what reward models learn from. Rules judge here, not people.");
  pairs->require_subcommand(1);
  auto flags = std::make_shared<PairsFlags>();
  CLI::App* consistency = pairs->add_subcommand("consistency", "Texts that follow from a document, and that do not.");
  CLI::App* quality = pairs->add_subcommand("quality", "Summaries against spoilt ones.");
  for (CLI::App* command : {consistency, quality}) {
    command->add_option("--corpus", flags->corpus, "JSONL of {\"id\", \"document\", \"summary\"}")
        ->type_name("FILE")
        ->required();
    command->add_option("--out", flags->out, "The JSONL to write")->type_name("FILE")->required();
    command->add_option("--seed", flags->seed, "Equal seeds give equal pairs")->type_name("N")->capture_default_str();
  }
  consistency->callback([flags, chosen] { *chosen = [flags] { return Consistency(*flags); }; });
  quality->callback([flags, chosen] { *chosen = [flags] { return Quality(*flags); }; });
}

}  // namespace trimtab
