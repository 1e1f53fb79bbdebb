#ifndef TRIMTAB_TRAINER_PUBLISHING_H_
#define TRIMTAB_TRAINER_PUBLISHING_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/publisher.h"
#include "model/checkpoint.h"

namespace trimtab {

struct PublishingStatus {
  uint64_t step = 0;  // Of the newest version that every server took; 0: none.
  std::string error;  // Of the last attempt; empty when every server took it.
};

struct PublishingOptions {
  std::vector<std::string> servers;
  bool bf16 = true;                                      // The published form; else float32.
  absl::Duration first_retry = absl::Milliseconds(500);  // Doubles up to the last.
  absl::Duration last_retry = absl::Seconds(10);
  PublisherOptions publisher;
  // After each attempt, from the thread of its own: how it ended, and how things stand since.
  std::function<void(absl::Duration took, const absl::Status& ended, const PublishingStatus& now)> on_attempt =
      [](absl::Duration, const absl::Status&, const PublishingStatus&) {};
};

// Streams versions into servers beside training, which never waits: only the newest version offered is sent, and one
// that no server took, or not all, is sent again until they did or a newer one comes. Thread-safe.
class Publishing {
 public:
  explicit Publishing(PublishingOptions options);
  ~Publishing();  // Gives up what is not sent.
  Publishing(const Publishing&) = delete;
  Publishing& operator=(const Publishing&) = delete;

  // `next` is the parameters at `step`. Returns at once.
  void Offer(Checkpoint next, uint64_t step);
  // Waits until the newest offered version is with every server. False when `timeout` passed first.
  bool Flush(absl::Duration timeout);
  PublishingStatus status() const;

 private:
  struct Version {
    Checkpoint checkpoint;
    uint64_t step = 0;
  };

  void Loop();
  // Waits for something to send; null when told to stop.
  std::shared_ptr<const Version> Next();
  absl::Status Send(const Version& version);
  // What follows from an attempt; `retry` is how long to wait after the next that fails.
  void Note(const Version& version, const absl::Status& ended, absl::Duration* retry);

  const PublishingOptions options_;
  // Of the thread.
  Publisher publisher_;
  std::optional<Checkpoint> parent_;  // The last version some server took, in its published form.

  mutable absl::Mutex mutex_;
  std::shared_ptr<const Version> newest_ ABSL_GUARDED_BY(mutex_);  // Null: nothing to send.
  absl::Time not_before_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  PublishingStatus status_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_PUBLISHING_H_
