// trimtab: the command line.
#include <exception>
#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/commands/command.h"
#include "client/version.h"
#include "common/completion.h"
#include "common/help.h"

namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

constexpr char kDescription[] =
    "Steer a summary: calls trimtabd, runs checkpoints without it, makes them and looks inside.\n"
    "\n"
    "  trimtab COMMAND --help";
constexpr char kFooter[] =
    "Exit codes: 0 when all went well; 1 when a call, a file or a checkpoint failed, with one line on the standard\n"
    "error; 2 for a command line that cannot be used.";

int Complain(absl::string_view message, int code) {
  std::cerr << absl::StrCat("trimtab: ", absl::StrReplaceAll(message, {{"\n", " "}}), "\n");
  return code;
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app(kDescription, "trimtab");
  app.footer(kFooter);
  app.require_subcommand(1);
  app.set_version_flag("--version", absl::StrCat("trimtab ", TRIMTAB_VERSION, " (", TRIMTAB_COMMIT, ")"));
  app.formatter(std::make_shared<trimtab::HelpFormatter>());
  trimtab::AddCompletion(app);
  trimtab::Chosen chosen;
  trimtab::AddSummarize(app, &chosen);
  trimtab::AddExplore(app, &chosen);
  trimtab::AddBench(app, &chosen);
  trimtab::AddInfo(app, &chosen);
  trimtab::AddPrewarm(app, &chosen);
  trimtab::AddInspect(app, &chosen);
  trimtab::AddImport(app, &chosen);
  trimtab::AddPack(app, &chosen);
  trimtab::AddMakeRandom(app, &chosen);
  trimtab::AddPublish(app, &chosen);
  trimtab::AddVersions(app, &chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::Error& error) {
    return Complain(absl::StrCat(error.what(), " (see trimtab --help)"), kUsage);
  }
  const absl::Status status = chosen();
  if (status.ok()) return 0;
  return Complain(absl::StrCat(absl::StatusCodeToString(status.code()), ": ", absl::string_view(status.message())),
                  kFailed);
} catch (const std::exception& error) {
  return Complain(error.what(), kFailed);
}
