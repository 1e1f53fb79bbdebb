// trimtab-trainer: learns checkpoints and streams them into running servers.
#include <exception>
#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/completion.h"
#include "common/help.h"
#include "trainer/commands/command.h"
#include "trainer/process_settings.h"
#include "trainer/version.h"

namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

int Complain(absl::string_view message, int code) {
  std::cerr << absl::StrCat("trimtab-trainer: ", absl::StrReplaceAll(message, {{"\n", " "}}), "\n");
  return code;
}

}  // namespace

int main(int argc, char** argv) try {
  trimtab::StartWithSettings(argv);
  CLI::App app("Learns conditioned language policies and streams them into running servers.", "trimtab-trainer");
  app.footer(
      "Exit codes: 0 when all went well; 1 when the work failed, with one line on the standard error; 2 for a\n"
      "command line that cannot be used.");
  app.require_subcommand(1);
  app.set_version_flag("--version", absl::StrCat("trimtab-trainer ", TRIMTAB_VERSION, " (", TRIMTAB_COMMIT, ")"));
  app.formatter(std::make_shared<trimtab::HelpFormatter>());
  trimtab::AddCompletion(app);
  trimtab::Chosen chosen;
  trimtab::AddCorpus(app, &chosen);
  trimtab::AddVocabulary(app, &chosen);
  trimtab::AddPairs(app, &chosen);
  trimtab::AddFinetune(app, &chosen);
  trimtab::AddRewardModel(app, &chosen);
  trimtab::AddEvaluate(app, &chosen);
  trimtab::AddScore(app, &chosen);
  trimtab::AddCalibrate(app, &chosen);
  trimtab::AddTrain(app, &chosen);
  trimtab::AddControl(app, &chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::Error& error) {
    return Complain(absl::StrCat(error.what(), " (see trimtab-trainer --help)"), kUsage);
  }
  const absl::Status status = chosen();
  if (status.ok()) return 0;
  return Complain(absl::StrCat(absl::StatusCodeToString(status.code()), ": ", absl::string_view(status.message())),
                  kFailed);
} catch (const std::exception& error) {
  return Complain(error.what(), kFailed);
}
