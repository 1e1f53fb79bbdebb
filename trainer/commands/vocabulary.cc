#include "trainer/corpora/vocabulary.h"

#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "model/mapped_file.h"
#include "model/status_macros.h"
#include "trainer/commands/command.h"

namespace trimtab {
namespace {

struct VocabularyFlags {
  std::string corpus;
  std::string out;
  VocabularyOptions options;
};

absl::Status Run(const VocabularyFlags& flags) {
  ASSIGN_OR_RETURN(const std::vector<Example> examples, ReadCorpus(flags.corpus));
  ASSIGN_OR_RETURN(const std::string model, TrainVocabulary(examples, flags.options));
  RETURN_IF_ERROR(WriteFileAtomically(flags.out, std::as_bytes(std::span<const char>(model.data(), model.size()))));
  std::cout << absl::StrCat("wrote ", flags.out, ": ", flags.options.size, " pieces from ", examples.size(),
                            " examples\n");
  return absl::OkStatus();
}

}  // namespace

void AddVocabulary(CLI::App& app, Chosen* chosen) {
  CLI::App* command = app.add_subcommand("vocabulary", "Train a SentencePiece model with T5's special ids.");
  auto flags = std::make_shared<VocabularyFlags>();
  command->add_option("--corpus", flags->corpus, "JSONL of the training split")->type_name("FILE")->required();
  command->add_option("--out", flags->out, "The spiece.model to write")->type_name("FILE")->required();
  command->add_option("--size", flags->options.size, "Pieces, the special ones included")
      ->type_name("N")
      ->check(CLI::Range(32, 65536))
      ->capture_default_str();
  command->add_option("--coverage", flags->options.coverage, "Share of characters that have pieces of their own")
      ->type_name("SHARE")
      ->check(CLI::Range(0.9, 1.0))
      ->capture_default_str();
  command->callback([flags, chosen] { *chosen = [flags] { return Run(*flags); }; });
}

}  // namespace trimtab
