#ifndef TRIMTAB_TRAINER_COMMANDS_SUPERVISED_FLAGS_H_
#define TRIMTAB_TRAINER_COMMANDS_SUPERVISED_FLAGS_H_

#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "trainer/supervised/plain_folder.h"
#include "trainer/supervised/supervised_run.h"

namespace trimtab {

// What commands that train a T5 on examples have in common.
struct SupervisedFlags {
  std::string model;
  std::string train;
  std::string valid;
  std::string out;
  int valid_count = 500;
  int threads = 0;  // 0: one per core.
  SupervisedOptions options;
};

// All but --model. `flags` must outlive the parse.
void AddSupervisedFlags(CLI::App& app, SupervisedFlags* flags);

// Trains, saying how it stands in one line per evaluation, and writes the weights to flags.out.
absl::Status TrainAndWrite(const SupervisedFlags& flags, const Task& train, const Task& valid, Start* start);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_COMMANDS_SUPERVISED_FLAGS_H_
