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

 private:
  std::vector<std::string> weights_, named_, presets_;
  std::vector<double> alphas_;
};

// "weights 1,0 alpha 0.1": `asked` in the words of the flags.
std::string Label(const v1::Steering& asked);

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_COMMANDS_STEERING_FLAGS_H_
