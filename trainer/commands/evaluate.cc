#include <cmath>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/commands/generation_flags.h"
#include "client/commands/steering_flags.h"
#include "kernels/thread_pool.h"
#include "model/checkpoint.h"
#include "model/status_macros.h"
#include "nlohmann/json.hpp"
#include "trainer/commands/command.h"
#include "trainer/commands/scoring_flags.h"
#include "trainer/rewards/evaluation.h"
#include "trainer/rewards/policy_samples.h"
#include "trainer/rewards/realignment.h"
#include "trainer/rewards/written.h"

namespace trimtab {
namespace {

struct EvaluateFlags {
  ScoringFlags scoring;
  SteeringFlags steering;
  v1::GenerationOptions generation;
  std::string reference;
  uint64_t sample_seed = 1;
  bool realign = false;
  bool json = false;
  bool per_article = false;
};

// Of samples of one weighting, per article.
struct Regularised {
  std::vector<double> kl;
  std::vector<double> value;
};

// All of one weighting.
struct Report {
  const Written* written = nullptr;
  Scores means;  // Of every score, and of rewards as "reward_<name>".
  std::map<std::string, std::vector<double>> rewards;
  std::optional<Regularised> regularised;  // With a reference.
};

absl::StatusOr<Regularised> Regularise(const ScoringInputs& inputs, const Written& written, PolicySamples& policy) {
  const auto& w = written.weighting.weights();
  ASSIGN_OR_RETURN(const Weighting weighting,
                   Weighting::Create(inputs.clp.mixing, w.size(), written.weighting.alpha(), {w.begin(), w.end()}));
  ASSIGN_OR_RETURN(Samples samples, policy.Draw(inputs.examples, weighting));
  ASSIGN_OR_RETURN(const auto scores, inputs.scorers.ScoreAll(TextsOf(inputs.examples, samples.summaries)));
  ASSIGN_OR_RETURN(auto values, RegularisedValues(inputs.clp, weighting, scores, samples.log_ratios));
  return Regularised{.kl = std::move(samples.log_ratios), .value = std::move(values)};
}

std::string Line(const Report& report) {
  const Written& written = *report.written;
  std::string line = absl::StrFormat("alpha %.3g w %s: %d summaries, %.1f words", written.weighting.alpha(),
                                     absl::StrJoin(written.weighting.weights(), ","), written.summaries.size(),
                                     written.WordsPerSummary());
  for (const auto& [name, value] : report.means) absl::StrAppendFormat(&line, ", %s %.3f", name, value);
  if (!report.regularised.has_value()) return line;
  const Estimate kl = MeanOf(report.regularised->kl), value = MeanOf(report.regularised->value);
  absl::StrAppendFormat(&line, "; sampled: kl %.3f +- %.3f, value %.3f +- %.3f", kl.mean, kl.error, value.mean,
                        value.error);
  return line;
}

// To four decimals: nothing about one article is known better.
std::vector<double> Rounded(std::vector<double> values) {
  for (double& value : values) value = std::round(value * 1e4) / 1e4;
  return values;
}

nlohmann::ordered_json PerArticle(const Report& report) {
  nlohmann::ordered_json articles = {{"summaries", report.written->summaries},
                                     {"rewards", nlohmann::ordered_json::object()}};
  for (const auto& [name, values] : report.rewards) articles["rewards"][name] = Rounded(values);
  if (report.regularised.has_value()) {
    articles["kl"] = Rounded(report.regularised->kl);
    articles["value"] = Rounded(report.regularised->value);
  }
  return articles;
}

std::string JsonLine(const Report& report, bool per_article) {
  const Written& written = *report.written;
  const auto& w = written.weighting.weights();
  nlohmann::ordered_json line = {{"alpha", written.weighting.alpha()},
                                 {"weights", std::vector<double>(w.begin(), w.end())},
                                 {"summaries", written.summaries.size()},
                                 {"words", written.WordsPerSummary()},
                                 {"means", report.means}};
  if (report.regularised.has_value()) {
    const Estimate kl = MeanOf(report.regularised->kl), value = MeanOf(report.regularised->value);
    line["sampled"] = {{"kl", kl.mean}, {"kl_error", kl.error}, {"value", value.mean}, {"value_error", value.error}};
  }
  if (per_article) line["articles"] = PerArticle(report);
  return line.dump();
}

absl::StatusOr<std::optional<PolicySamples>> OpenSamples(const EvaluateFlags& flags) {
  if (flags.reference.empty()) return std::nullopt;
  PolicySamplesOptions options;
  options.model = flags.scoring.engine.model;
  options.reference = flags.reference;
  options.seed = flags.sample_seed;
  options.realign = flags.realign;
  options.rollouts.threads = ThreadsOrCores(flags.scoring.engine.threads);
  options.rollouts.max_input_tokens = flags.scoring.engine.max_input_tokens;
  if (flags.generation.has_max_new_tokens()) options.rollouts.max_new_tokens = flags.generation.max_new_tokens();
  ASSIGN_OR_RETURN(PolicySamples samples, PolicySamples::Open(options));
  return samples;
}

absl::StatusOr<std::vector<Written>> Write(const EvaluateFlags& flags, const ScoringInputs& inputs,
                                           const std::vector<v1::Steering>& steerings, PolicySamples* policy) {
  if (flags.realign) {
    return WriteAndScoreRealigned(*policy, inputs.clp, inputs.examples, steerings, flags.generation, inputs.scorers);
  }
  return WriteAndScore(flags.scoring.engine, inputs.examples, steerings, flags.generation, inputs.scorers);
}

absl::Status Run(const EvaluateFlags& flags) {
  ASSIGN_OR_RETURN(ScoringInputs inputs, OpenScoring(flags.scoring));
  if (flags.realign) inputs.clp.mixing = RealignedRule(inputs.clp.mixing);
  ASSIGN_OR_RETURN(const std::vector<v1::Steering> steerings, flags.steering.Parse());
  ASSIGN_OR_RETURN(std::optional<PolicySamples> policy, OpenSamples(flags));
  ASSIGN_OR_RETURN(const std::vector<Written> all,
                   Write(flags, inputs, steerings, policy.has_value() ? &*policy : nullptr));
  for (const Written& written : all) {
    Report report{.written = &written,
                  .means = written.Means(),
                  .rewards = RewardsByName(inputs.clp, written.scores),
                  .regularised = std::nullopt};
    for (const auto& [name, values] : report.rewards) report.means[absl::StrCat("reward_", name)] = MeanOf(values).mean;
    if (policy.has_value()) {
      ASSIGN_OR_RETURN(report.regularised, Regularise(inputs, written, *policy));
    }
    std::cout << (flags.json ? JsonLine(report, flags.per_article) : Line(report)) << std::endl;
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
  command
      ->add_option("--reference", flags->reference,
                   "The plain T5 that training began with: samples as training does, and adds the divergence from it "
                   "and the KL-regularised value")
      ->type_name("DIR");
  command->add_option("--sample-seed", flags->sample_seed, "Of those samples")->type_name("N")->capture_default_str();
  command
      ->add_flag("--realign", flags->realign,
                 "Decoding-time realignment: at each alpha mix the logits of the policy at alpha_min and of the "
                 "reference, instead of parameters; two passes a token")
      ->needs(command->get_option("--reference"));
  command->add_flag("--json", flags->json, "One object a line");
  command->add_flag("--per-article", flags->per_article,
                    "With --json: summary, rewards, divergence and value of each article");
  command->callback([flags, chosen] { *chosen = [flags] { return Run(*flags); }; });
}

}  // namespace trimtab
