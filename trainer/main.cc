// trimtab-trainer: learns checkpoints and streams them into running servers.
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "trainer/commands/command.h"
#include "trainer/version.h"

namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

int Complain(absl::string_view message, int code) {
  std::cerr << absl::StrCat("trimtab-trainer: ", absl::StrReplaceAll(message, {{"\n", " "}}), "\n");
  return code;
}

// Idle OpenMP threads must not spin on the cores the engine runs on, and OpenBLAS must not bring threads of its own
// beside libtorch's. Both libraries read their settings before main, so the process starts once more with them.
void StartWithQuietThreads(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  setenv("OMP_WAIT_POLICY", "passive", 1);
  setenv("OPENBLAS_NUM_THREADS", "1", 0);
  execv("/proc/self/exe", argv);
}

}  // namespace

int main(int argc, char** argv) {
  StartWithQuietThreads(argv);
  CLI::App app("Learns conditioned language policies and streams them into running servers.", "trimtab-trainer");
  app.footer(
      "Exit codes: 0 when all went well; 1 when the work failed, with one line on the standard error; 2 for a\n"
      "command line that cannot be used.");
  app.require_subcommand(1);
  app.set_version_flag("--version", absl::StrCat("trimtab-trainer ", TRIMTAB_VERSION, " (", TRIMTAB_COMMIT, ")"));
  trimtab::Chosen chosen;
  trimtab::AddCorpus(app, &chosen);
  trimtab::AddVocabulary(app, &chosen);
  trimtab::AddPairs(app, &chosen);
  trimtab::AddFinetune(app, &chosen);
  trimtab::AddRewardModel(app, &chosen);
  trimtab::AddEvaluate(app, &chosen);
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
}
