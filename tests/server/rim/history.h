// What a server acknowledged and answered, and whether the two agree.
#ifndef TRIMTAB_TESTS_SERVER_RIM_HISTORY_H_
#define TRIMTAB_TESTS_SERVER_RIM_HISTORY_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "kernels/backend.h"
#include "model/checkpoint.h"
#include "model/engine.h"
#include "model/tokenizer.h"
#include "server/mutex.h"
#include "trimtab/v1/summarizer.pb.h"

namespace trimtab {

struct LoggedReply {
  int client = 0;
  uint64_t acknowledged = 0;  // Sequence of the newest version acknowledged when the request was sent.
  v1::SummarizeRequest request;
  v1::SummarizeResponse reply;
};

// Collects while a server runs. Thread-safe.
class History {
 public:
  void Acknowledged(uint64_t sequence);
  uint64_t acknowledged() const;
  void Replied(LoggedReply reply);
  std::vector<LoggedReply> replies() const;  // Each client's in order.

 private:
  mutable Mutex mutex_;
  uint64_t acknowledged_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<LoggedReply> replies_ ABSL_GUARDED_BY(mutex_);
};

// What holds between the replies, without looking into them: no client sees versions go back, and no request that was
// sent after an acknowledgement gets an older version. Internal with the first breach.
absl::Status CheckOrder(const std::vector<LoggedReply>& replies);

// Runs requests again, alone, on parameters and a path of choice. Not thread-safe.
class Replayer {
 public:
  // `checkpoint` is any version of the model, with its tokenizer.
  explicit Replayer(const Checkpoint& checkpoint);

  // Sets the version that the next replies are held against.
  absl::Status Use(const Checkpoint& version);
  // Internal unless tokens, log-probabilities and text of the reply are those of the request alone, bit for bit.
  // REQUIRES: the request asked for log_probs.
  absl::Status Check(const LoggedReply& logged);

 private:
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<Engine> engine_;
  std::shared_ptr<const Parameters> parameters_;
};

}  // namespace trimtab

#endif  // TRIMTAB_TESTS_SERVER_RIM_HISTORY_H_
