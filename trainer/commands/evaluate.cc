#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/commands/generation_flags.h"
#include "client/commands/steering_flags.h"
#include "model/checkpoint.h"
#include "model/status_macros.h"
#include "nlohmann/json.hpp"
#include "trainer/commands/command.h"
#include "trainer/commands/scoring_flags.h"
#include "trainer/rewards/written.h"

namespace trimtab {
namespace {

struct EvaluateFlags {
  ScoringFlags scoring;
  SteeringFlags steering;
  v1::GenerationOptions generation;
  bool json = false;
};

// The rewards that follow from the means, which is the mean of the rewards as the mapping is linear.
Scores WithRewards(const ClpConfig& clp, Scores means) {
  std::vector<std::string> names;
  for (const auto& [name, value] : means) names.push_back(name);
  const Scores scores = means;
  for (const size_t reward : ComputableRewards(clp, names)) {
    means[absl::StrCat("reward_", clp.rewards[reward].name)] = MapReward(clp, reward, scores);
  }
  return means;
}

std::string Line(const Written& written, const Scores& means) {
  std::string line = absl::StrFormat("alpha %.3g w %s: %d summaries, %.1f words", written.weighting.alpha(),
                                     absl::StrJoin(written.weighting.weights(), ","), written.summaries.size(),
                                     written.WordsPerSummary());
  for (const auto& [name, value] : means) absl::StrAppendFormat(&line, ", %s %.3f", name, value);
  return line;
}

std::string JsonLine(const Written& written, const Scores& means) {
  const auto& w = written.weighting.weights();
  const nlohmann::ordered_json line = {{"alpha", written.weighting.alpha()},
                                       {"weights", std::vector<double>(w.begin(), w.end())},
                                       {"summaries", written.summaries.size()},
                                       {"words", written.WordsPerSummary()},
                                       {"means", means}};
  return line.dump();
}

absl::Status Run(const EvaluateFlags& flags) {
  ASSIGN_OR_RETURN(const ScoringInputs inputs, OpenScoring(flags.scoring));
  ASSIGN_OR_RETURN(const std::vector<v1::Steering> steerings, flags.steering.Parse());
  ASSIGN_OR_RETURN(const std::vector<Written> all,
                   WriteAndScore(flags.scoring.engine, inputs.examples, steerings, flags.generation, inputs.scorers));
  for (const Written& written : all) {
    const Scores means = WithRewards(inputs.clp, written.Means());
    std::cout << (flags.json ? JsonLine(written, means) : Line(written, means)) << "\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddEvaluate(CLI::App& app, Chosen* chosen) {
  CLI::App* command = app.add_subcommand(
      "evaluate", "Summarise a corpus at one or many weightings; print the mean of every score and reward.");
  auto flags = std::make_shared<EvaluateFlags>();
  AddScoringFlags(*command, &flags->scoring);
  flags->steering.AddTo(*command);
  AddGenerationFlags(*command, &flags->generation);
  command->add_flag("--json", flags->json, "One object a line");
  command->callback([flags, chosen] { *chosen = [flags] { return Run(*flags); }; });
}

}  // namespace trimtab
