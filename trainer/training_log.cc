#include "trainer/training_log.h"

#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"

namespace trimtab {
namespace {

// "step 120/500 [####      ] 1.4 s/step  objective 0.412  kl 1.93  rouge 0.30"
std::string Bar(const StepReport& report, const std::vector<std::string>& rewards, uint64_t steps) {
  constexpr int kWidth = 20;
  const int filled = static_cast<int>(kWidth * report.step / steps);
  std::string line = absl::StrFormat("step %d/%d [%s%s] %.2f s/step  objective %.3f  kl %.2f", report.step, steps,
                                     std::string(filled, '#'), std::string(kWidth - filled, ' '), report.seconds(),
                                     report.learner.objective, report.kl);
  for (size_t i = 0; i < rewards.size(); ++i) absl::StrAppendFormat(&line, "  %s %.3f", rewards[i], report.rewards[i]);
  return line;
}

}  // namespace

std::string StepLine(const StepReport& report, const std::vector<std::string>& rewards) {
  nlohmann::ordered_json line = {{"step", report.step}, {"alpha", report.alpha}, {"w", report.w}};
  for (size_t i = 0; i < rewards.size(); ++i) line["rewards"][rewards[i]] = report.rewards[i];
  line.update({{"objective", report.learner.objective},
               {"kl", report.kl},
               {"advantage", report.learner.advantage},
               {"advantage_deviation", report.learner.advantage_spread},
               {"value_loss", report.learner.value_loss},
               {"gradient_norm", report.learner.gradient_norm},
               {"log_prob_gap", report.learner.log_prob_gap},
               {"read_tokens", report.read_tokens},
               {"written_tokens", report.written_tokens},
               {"seconds",
                {{"rollout", report.rollout_seconds},
                 {"reward", report.reward_seconds},
                 {"reference", report.reference_seconds},
                 {"update", report.update_seconds}}}});
  return line.dump();
}

absl::StatusOr<TrainingLog> TrainingLog::Open(const std::string& path, uint64_t bytes, std::vector<std::string> rewards,
                                              uint64_t steps) {
  TrainingLog log;
  std::error_code error;
  if (std::filesystem::exists(path)) std::filesystem::resize_file(path, bytes, error);
  log.file_.open(path, std::ios::app);
  if (error || !log.file_) return absl::InternalError(absl::StrCat(path, " cannot be written"));
  log.bytes_ = bytes;
  log.rewards_ = std::move(rewards);
  log.steps_ = steps;
  log.terminal_ = isatty(STDOUT_FILENO) != 0;
  return log;
}

void TrainingLog::Add(const StepReport& report) {
  const std::string line = absl::StrCat(StepLine(report, rewards_), "\n");
  file_ << line << std::flush;
  bytes_ += line.size();
  if (terminal_) {
    std::cout << absl::StrCat("\r", Bar(report, rewards_, steps_), report.step == steps_ ? "\n" : "") << std::flush;
  } else {
    std::cout << line << std::flush;
  }
}

}  // namespace trimtab
