#include "trainer/corpora/corpus.h"

#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/status_macros.h"
#include "trainer/commands/command.h"
#include "trainer/corpora/debian.h"
#include "trainer/corpora/splits.h"

namespace trimtab {
namespace {

struct CorpusFlags {
  std::string lists = kAptLists;
  std::string input;
  std::string out;
  SplitShares shares;
};

absl::Status Write(std::vector<Example> examples, const CorpusFlags& flags) {
  if (flags.shares.valid + flags.shares.test > 1.0) {
    return absl::InvalidArgumentError("--valid and --test are more than 1 together; expected shares of one whole");
  }
  const Splits splits = SplitByFamily(std::move(examples), flags.shares);
  RETURN_IF_ERROR(WriteSplits(splits, flags.out));
  std::cout << absl::StrCat("wrote ", flags.out, ": ", splits.train.size(), " examples in train.jsonl, ",
                            splits.valid.size(), " in valid.jsonl, ", splits.test.size(), " in test.jsonl\n");
  return absl::OkStatus();
}

absl::Status Debian(const CorpusFlags& flags) {
  ASSIGN_OR_RETURN(std::vector<Example> examples, DebianCorpus(flags.lists));
  return Write(std::move(examples), flags);
}

absl::Status Split(const CorpusFlags& flags) {
  ASSIGN_OR_RETURN(std::vector<Example> examples, ReadCorpus(flags.input));
  return Write(std::move(examples), flags);
}

}  // namespace

void AddCorpus(CLI::App& app, Chosen* chosen) {
  CLI::App* corpus = app.add_subcommand("corpus", "Make texts and their summaries, split for training and testing.");
  corpus->require_subcommand(1);
  auto flags = std::make_shared<CorpusFlags>();

  CLI::App* debian =
      corpus->add_subcommand("debian", "Long package descriptions and their synopses, from this machine's apt lists.");
  debian->add_option("--lists", flags->lists, "Folder of the lists")->type_name("DIR")->capture_default_str();
  debian->add_option("--out", flags->out, "Folder to write to")->type_name("DIR")->required();
  debian->callback([flags, chosen] { *chosen = [flags] { return Debian(*flags); }; });

  CLI::App* split = corpus->add_subcommand("split", "Any JSONL of {\"id\", \"document\", \"summary\", \"family\"}.");
  split->add_option("--input", flags->input, "The JSONL, plain or compressed")->type_name("FILE")->required();
  split->add_option("--out", flags->out, "Folder to write to")->type_name("DIR")->required();
  for (CLI::App* command : {debian, split}) {
    command->add_option("--valid", flags->shares.valid, "Share of families held out to watch training")
        ->type_name("SHARE")
        ->check(CLI::Range(0.0, 1.0))
        ->capture_default_str();
    command->add_option("--test", flags->shares.test, "Share of families held out to the end")
        ->type_name("SHARE")
        ->check(CLI::Range(0.0, 1.0))
        ->capture_default_str();
  }
  split->callback([flags, chosen] { *chosen = [flags] { return Split(*flags); }; });
}

}  // namespace trimtab
