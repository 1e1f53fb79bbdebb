// New parameters into the running server: who may send them, where they wait, and how they come to be served.
#ifndef TRIMTAB_SERVER_PARAMETER_UPDATES_H_
#define TRIMTAB_SERVER_PARAMETER_UPDATES_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kernels/backend.h"
#include "model/checkpoint.h"
#include "server/job_thread.h"
#include "server/metrics.h"
#include "server/mixed_weight_cache.h"
#include "server/mutex.h"
#include "server/parameter_store.h"
#include "server/publisher_lease.h"
#include "server/staging.h"
#include "server/version_log.h"

namespace trimtab {

// The pointees must outlive the ParameterUpdates.
struct UpdateParts {
  ParameterStore* store = nullptr;
  MixedWeightCache* cache = nullptr;
  Metrics* metrics = nullptr;
  Backend* backend = nullptr;                // That of the engine: only what any thread may call is called.
  Backend* canary_backend = nullptr;         // Of the same kind, for the commits alone.
  VersionLog* log = nullptr;                 // Null: versions live in memory and end with the process.
  std::shared_ptr<const Checkpoint> base;    // The model's own checkpoint.
  std::shared_ptr<const Checkpoint> served;  // What `store` serves now.
};

struct UpdateOptions {
  int64_t staging_bytes = 0;  // Memory for a version on its way; 0: enough for any, sent in float32.
  std::chrono::milliseconds lease_timeout = std::chrono::seconds(30);
  double max_norm_jump = 10.0;  // CheckNorms; 0: not checked.
  // How long a commit waits for the last requests of old versions, so that only the served one and the next are in
  // memory. Where versions come faster than requests end, they wait for each other instead of piling up.
  std::chrono::milliseconds retired_patience = std::chrono::seconds(10);
};

// Takes versions in, checks them, makes them durable and serves them; one at a time. What a request sees changes by one
// swap of a pointer, after all else is done:
//
//   Begin, Add ...   into Staging, by the holder of the lease, on the callers' threads
//   Commit           on a thread of idle priority: let old versions end, decode, check digests, pack, check soundness,
//                    make durable, mix again what is hot, swap, answer. An error anywhere leaves what is served as it
//                    is.
//
// Thread-safe. Lock order: its lock, then that of a JobThread; callbacks run without it, on any thread.
class ParameterUpdates {
 public:
  ParameterUpdates(const UpdateParts& parts, const UpdateOptions& options);
  ~ParameterUpdates();

  struct Begun {
    bool committed = false;          // This very version is held already; nothing was staged.
    bool durable = false;            // Where committed.
    std::vector<uint64_t> received;  // Encoded bytes held of each tensor: go on from there.
    uint64_t ticket = 0;             // For Add and Commit; a later Begin makes it invalid.
  };
  // Aborted without the lease; FailedPrecondition when the parent is not served or the sequence is not new;
  // ResourceExhausted while another change is under way; else as Staging::Begin.
  absl::StatusOr<Begun> Begin(const Manifest& manifest, const LeaseName& lease);
  // FailedPrecondition for an unknown ticket; else as Staging::Add.
  absl::Status Add(uint64_t ticket, uint64_t tensor, uint64_t offset, absl::string_view bytes, uint64_t checksum);

  struct Outcome {
    ParameterVersion version;
    bool durable = false;
  };
  using Done = std::function<void(absl::StatusOr<Outcome>)>;
  // Ends by `done` in any case, maybe before it returns. What was refused because it is incomplete stays staged.
  void Commit(uint64_t ticket, absl::string_view digest, Done done);
  // Serves a held version again, named by digest or by sequence. NotFound when it is not held.
  void Activate(absl::string_view digest, std::optional<uint64_t> sequence, Done done);

  struct Held {
    ParameterVersion active;
    std::vector<Outcome> versions;  // Oldest first.
    LeaseName lease;
    bool lease_alive = false;
    std::chrono::milliseconds lease_timeout{};
    uint64_t highest_sequence = 0;
  };
  Held List() const;
  // The tensors of a held version. NotFound.
  absl::StatusOr<std::shared_ptr<const Checkpoint>> Open(absl::string_view digest);

  // Calls `watcher` with the version that is served now, before this returns, then with each that comes to be served,
  // until Unwatch has returned; with nullopt when the server stops.
  using Watcher = std::function<void(std::optional<ParameterVersion>)>;
  uint64_t Watch(Watcher watcher);
  void Unwatch(uint64_t id);

  // From now on every change is refused with Unavailable, and the one under way mixes nothing again.
  void StartStop();
  // Likewise, and returns when the one under way has ended.
  void Stop();

 private:
  using Clock = std::chrono::steady_clock;

  struct Commission {  // What the idle thread is to do.
    std::shared_ptr<Staging> staging;
    LeaseName lease;
    Done done;
  };

  absl::Status CheckMayChange() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckNew(const Manifest& manifest) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<Outcome> FindHeld(const ParameterVersion& version) const;
  absl::Status TakeLease(const LeaseName& lease);
  absl::StatusOr<Begun> Stage(const Manifest& manifest) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckTicket(uint64_t ticket) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Commission> Order(uint64_t ticket, absl::string_view digest);
  void DropIdleStage();

  void Execute(Commission commission);
  void AwaitRetired() const;
  absl::StatusOr<Outcome> Admit(Staging& staging, const LeaseName& lease);
  absl::StatusOr<std::shared_ptr<const Parameters>> Pack(const Checkpoint& next, const Checkpoint& parent) const;
  absl::StatusOr<std::shared_ptr<const Checkpoint>> Keep(Checkpoint received, const Parameters& packed);
  absl::StatusOr<Outcome> Restore(absl::string_view digest, std::optional<uint64_t> sequence);
  absl::StatusOr<std::shared_ptr<const Parameters>> PackAgain(const Checkpoint& version) const;
  std::string PackedKind() const;
  void Serve(std::shared_ptr<const Checkpoint> source, const std::shared_ptr<const Parameters>& parameters);
  void Announce(std::optional<ParameterVersion> version);
  void EndChange(const Done& done, absl::StatusOr<Outcome> outcome);
  absl::StatusOr<ParameterVersion> Find(absl::string_view digest, std::optional<uint64_t> sequence) const;
  absl::StatusOr<std::shared_ptr<const Checkpoint>> OpenVersion(const ParameterVersion& version);
  std::shared_ptr<const Checkpoint> served() const;
  bool stopped() const;

  UpdateParts parts_;  // Constant after construction.
  const UpdateOptions options_;
  const int64_t staging_bytes_;

  mutable Mutex mutex_;
  CondVar idle_;
  PublisherLease lease_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;  // A commit or an activation is under way.
  std::shared_ptr<Staging> staging_ ABSL_GUARDED_BY(mutex_);
  LeaseName staging_lease_ ABSL_GUARDED_BY(mutex_);
  uint64_t ticket_ ABSL_GUARDED_BY(mutex_) = 0;
  std::shared_ptr<const Checkpoint> served_ ABSL_GUARDED_BY(mutex_);
  uint64_t highest_sequence_ ABSL_GUARDED_BY(mutex_) = 0;

  Mutex watchers_mutex_;  // Held while watchers are called: they must not block, nor watch or unwatch.
  std::optional<ParameterVersion> announced_ ABSL_GUARDED_BY(watchers_mutex_);  // What watchers were told last.
  std::map<uint64_t, Watcher> watchers_ ABSL_GUARDED_BY(watchers_mutex_);
  uint64_t last_watcher_ ABSL_GUARDED_BY(watchers_mutex_) = 0;

  // Last: they end before what they use.
  JobThread committer_{JobThread::Priority::kIdle};
  JobThread activator_{JobThread::Priority::kNormal};
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_PARAMETER_UPDATES_H_
