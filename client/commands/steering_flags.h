#ifndef TRIMTAB_CLIENT_COMMANDS_STEERING_FLAGS_H_
#define TRIMTAB_CLIENT_COMMANDS_STEERING_FLAGS_H_

#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "trimtab/v1/summarizer.pb.h"

namespace trimtab {

// --weights, --named, --preset and --alpha: one weighting each, or all of them in one command.
class SteeringFlags {
 public:
  void AddTo(CLI::App& app);

  // The weightings asked for, at least one: --weights, --named, --preset in this order, each in the order given. One
  // --alpha goes to all; several pair up with as many weightings, or spread one weighting over all of them.
  // InvalidArgument for text that is no weighting or an --alpha count that fits neither.
  absl::StatusOr<std::vector<v1::Steering>> Parse() const;

  // For a command that can combine them otherwise: whether any of --weights, --named and --preset was given, and every
  // --alpha.
  bool any_weighting() const { return !weights_.empty() || !named_.empty() || !presets_.empty(); }
  const std::vector<double>& alphas() const { return alphas_; }

 private:
  std::vector<std::string> weights_, named_, presets_;
  std::vector<double> alphas_;
};

// "weights 1,0 alpha 0.1": `asked` in the words of the flags.
std::string Label(const v1::Steering& asked);
std::string Label(const v1::AppliedWeighting& applied);
std::string WeightsText(const v1::AppliedWeighting& applied);  // "1,0"

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_COMMANDS_STEERING_FLAGS_H_
