#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/checkpoint.h"
#include "model/mapped_file.h"
#include "model/status_macros.h"
#include "trainer/commands/command.h"
#include "trainer/commands/scoring_flags.h"
#include "trainer/rewards/calibration.h"
#include "trainer/rewards/written.h"

namespace trimtab {
namespace {

constexpr size_t kMaxClpBytes = size_t{16} << 20;

struct CalibrateFlags {
  ScoringFlags scoring;
  double low = 0.1;
  double high = 0.9;
  uint64_t seed = 1;
  bool dry_run = false;
};

// Of what the reference writes as training samples it: that is where training starts.
absl::StatusOr<Ranges> Measure(const CalibrateFlags& flags) {
  ASSIGN_OR_RETURN(const ScoringInputs inputs, OpenScoring(flags.scoring));
  v1::Steering reference;
  if (inputs.clp.has_reference()) reference.set_alpha(1.0);
  v1::GenerationOptions generation;
  generation.set_temperature(1.0);
  generation.set_seed(flags.seed);
  ASSIGN_OR_RETURN(const std::vector<Written> written,
                   WriteAndScore(flags.scoring.engine, inputs.examples, {reference}, generation, inputs.scorers));
  return QuantileRanges(written[0].scores, flags.low, flags.high);
}

absl::Status Run(const CalibrateFlags& flags) {
  if (!(flags.low < flags.high)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--low is ", flags.low, " and --high ", flags.high, "; expected rising shares of the examples"));
  }
  const std::string path = absl::StrCat(flags.scoring.engine.model, "/", kClpFile);
  ASSIGN_OR_RETURN(const std::string before, ReadSmallFile(path, kMaxClpBytes));
  ASSIGN_OR_RETURN(const Ranges ranges, Measure(flags));
  ASSIGN_OR_RETURN(const std::string after, WithRanges(before, ranges));
  for (const auto& [name, range] : ranges) {
    std::cout << absl::StrFormat("%s: %.6g maps to 0, %.6g to 1\n", name, range.first, range.second);
  }
  if (flags.dry_run) return absl::OkStatus();
  RETURN_IF_ERROR(WriteFileAtomically(path, std::as_bytes(std::span<const char>(after.data(), after.size()))));
  std::cout << absl::StrCat("wrote ", path, "\n");
  return absl::OkStatus();
}

}  // namespace

void AddCalibrate(CLI::App& app, Chosen* chosen) {
  CLI::App* command = app.add_subcommand(
      "calibrate", "Measure on a corpus which scores map to 0 and to 1, and write the ranges into clp.json.");
  auto flags = std::make_shared<CalibrateFlags>();
  AddScoringFlags(*command, &flags->scoring);
  const auto add = [&](const char* name, double* value, const char* help) {
    command->add_option(name, *value, help)->type_name("SHARE")->check(CLI::Range(0.0, 1.0))->capture_default_str();
  };
  add("--low", &flags->low, "The quantile of the reference's samples that maps to 0");
  add("--high", &flags->high, "The quantile that maps to 1");
  command->add_option("--seed", flags->seed, "Of the samples")->type_name("N")->capture_default_str();
  command->add_flag("--dry-run", flags->dry_run, "Print the ranges and write nothing");
  command->callback([flags, chosen] { *chosen = [flags] { return Run(*flags); }; });
}

}  // namespace trimtab
