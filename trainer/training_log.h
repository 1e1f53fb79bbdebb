#ifndef TRIMTAB_TRAINER_TRAINING_LOG_H_
#define TRIMTAB_TRAINER_TRAINING_LOG_H_

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "trainer/training.h"

namespace trimtab {

// One step as a line of JSON, without the newline.
std::string StepLine(const StepReport& report, const std::vector<std::string>& rewards);

// The log of a run: one line a step in a file and, for who watches, a line that rewrites itself on a terminal, or the
// same lines elsewhere. Not thread-safe.
class TrainingLog {
 public:
  // Goes on at `bytes` of the file: lines of steps that a kill undid are cut off. Internal when it cannot be written.
  static absl::StatusOr<TrainingLog> Open(const std::string& path, uint64_t bytes, std::vector<std::string> rewards,
                                          uint64_t steps);

  void Add(const StepReport& report);
  uint64_t bytes() const { return bytes_; }  // Flushed.

 private:
  std::ofstream file_;
  uint64_t bytes_ = 0;
  std::vector<std::string> rewards_;
  uint64_t steps_ = 0;
  bool terminal_ = false;
};

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_TRAINING_LOG_H_
