// The folder of a run:
//
//   checkpoints/step-00000000/     where it started: what a server is started on, and where theta_ref stays
//   checkpoints/step-<N>/          a CLP checkpoint as the server reads it, float32, and beside it
//     trainer.safetensors          value network and optimisers
//     trainer.json                 what else a run goes on from
//   latest                         link to the newest of them
//   log.jsonl                      one line a step
#ifndef TRIMTAB_TRAINER_RUN_FOLDER_H_
#define TRIMTAB_TRAINER_RUN_FOLDER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/checkpoint.h"
#include "trainer/run_config.h"

namespace trimtab {

// How far a run has come. Its random numbers depend on the step alone (step_random.h).
struct Progress {
  uint64_t step = 0;       // Updates done.
  uint64_t log_bytes = 0;  // Of log.jsonl, up to that step.
};

// Not thread-safe; one process at a time.
class RunFolder {
 public:
  // Makes the folder with its first checkpoint where there is none yet, from config.start: a CLP checkpoint is copied,
  // a plain T5 becomes one by config.policy and config.rewards.
  static absl::StatusOr<RunFolder> Open(const RunConfig& config);

  std::string origin() const;  // step-00000000
  std::string latest() const { return latest_; }
  std::string log_path() const { return out_ + "/log.jsonl"; }
  // Of latest(). REQUIRES: it holds trainer.json, or is the origin.
  absl::StatusOr<Progress> ReadProgress() const;
  // Of latest(); empty for the origin.
  std::string state_path() const;

  // A new latest checkpoint, written beside and renamed, so that a kill at any time leaves the old one or the new one;
  // then all but the newest `keep` and the origin go.
  absl::Status Save(const Checkpoint& snapshot, const std::map<std::string, Tensor, std::less<>>& state,
                    const Progress& progress, int keep);

 private:
  explicit RunFolder(std::string out) : out_(std::move(out)) {}
  absl::Status Link() const;
  void Prune(int keep) const;

  std::string out_;
  std::string latest_;  // Path of a step-<N>.
};

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_RUN_FOLDER_H_
