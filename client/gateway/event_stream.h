// A call that runs on a thread of its own, and whoever reads its events at their own pace.
#ifndef TRIMTAB_CLIENT_GATEWAY_EVENT_STREAM_H_
#define TRIMTAB_CLIENT_GATEWAY_EVENT_STREAM_H_

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace trimtab {

// At most a few events wait for the reader; then the call waits, and gRPC's flow control holds the server back. One
// reader at a time.
class EventStream {
 public:
  // Hands an event to the reader; false: there is none any more, end the call.
  using Emit = std::function<bool(std::string event)>;
  using Call = std::function<absl::Status(const Emit& emit)>;
  explicit EventStream(Call call);
  ~EventStream();  // Tells the call to end, and waits for it.
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  // Waits for the next event. None: the call has ended, with status().
  std::optional<std::string> Next();
  absl::Status status() const;
  // Waits until there is an event, or the call has ended. Its error, if it failed without any.
  absl::Status WaitForFirst();

 private:
  void Run(const Call& call);
  bool Emitted(std::string event);
  bool HasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasNews() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return ended_ || !events_.empty(); }

  mutable absl::Mutex mutex_;
  std::deque<std::string> events_ ABSL_GUARDED_BY(mutex_);
  bool unread_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_GATEWAY_EVENT_STREAM_H_
