#ifndef TRIMTAB_TRAINER_EXAMPLES_H_
#define TRIMTAB_TRAINER_EXAMPLES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace trimtab {

// What a policy is trained on. UTF-8.
struct TrainingExample {
  std::string document;
  std::string summary;  // By a person; empty where there is none.
};

// One example a line, {"document": ..., "summary": ...}; other keys are ignored, empty lines skipped. NotFound;
// InvalidArgument naming the line, and for a file without examples.
absl::StatusOr<std::vector<TrainingExample>> ReadExamples(const std::string& path);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_EXAMPLES_H_
