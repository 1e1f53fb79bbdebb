#ifndef TRIMTAB_SERVER_VERSION_LOG_H_
#define TRIMTAB_SERVER_VERSION_LOG_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/checkpoint.h"
#include "server/disk.h"
#include "server/mutex.h"
#include "server/publisher_lease.h"

namespace trimtab {

// The packed form of a version, which is served without reading it through.
struct PackedImage {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;  // Keeps them alive.
};

// The versions a server has acknowledged, on disk, so that they survive the end of the process at any moment:
//
//   DIR/state.json                                 last lease, highest sequence, which version is served
//   DIR/versions/<epoch>-<sequence>.safetensors    published tensors of one version; name and digest in its metadata
//   DIR/versions/<epoch>-<sequence>.packed         the same in packed form; may be missing
//   DIR/lock                                       held by the one server that uses DIR
//
// Files appear whole or not at all (Disk::Replace). A version is complete when its tensors give the digest it states.
// Thread-safe, but for Append and Activate: one thread at a time calls those.
class VersionLog {
 public:
  struct Options {
    std::string directory;  // Made when its parent exists.
    int keep = 3;           // Versions kept, the served one included; at least 1.
  };

  // Opens or makes the log. `base` is the checkpoint of the model, which gives the reference and the shapes. Finds what
  // to serve: a complete version that is newer than all the state knows (it was in flight), else the one the state
  // names, else the newest complete one, else `base`. What is damaged is renamed to *.damaged and left alone.
  // FailedPrecondition when another process uses the folder; otherwise as Disk.
  static absl::StatusOr<std::unique_ptr<VersionLog>> Open(const Options& options,
                                                          std::shared_ptr<const Checkpoint> base, const Disk* disk);
  ~VersionLog();

  // What to serve at start. REQUIRES: nothing was appended or activated yet.
  const std::shared_ptr<const Checkpoint>& recovered() const { return recovered_; }
  // How it was chosen: lines for people, `damaged` of them about files that could not be used.
  const std::vector<std::string>& report() const { return report_; }
  int damaged() const { return damaged_; }

  LeaseName lease() const;
  uint64_t highest_sequence() const;
  std::vector<ParameterVersion> versions() const;  // Kept here, oldest first; without the base.

  // Each returns when the change is durable. An error leaves the log as it was, as far as the disk lets it.
  // Aborted when a higher epoch is known.
  absl::Status SetLease(const LeaseName& lease);
  // Stores `next` and makes it the served one; drops the oldest beyond Options::keep. The result has the same tensors,
  // mapped from the log. `packed`, if not empty, is kept beside it; `kind` says for what it is packed. REQUIRES: next's
  // digest is right, its sequence is above highest_sequence().
  absl::StatusOr<std::shared_ptr<const Checkpoint>> Append(const Checkpoint& next,
                                                           std::span<const std::byte> packed = {},
                                                           absl::string_view kind = "");
  absl::Status Activate(const ParameterVersion& version);

  // A version kept here, checked in full the first time. NotFound; DataLoss when it is damaged.
  absl::StatusOr<std::shared_ptr<const Checkpoint>> Load(const ParameterVersion& version);
  // Its packed form, mapped; checked in full unless this process wrote it. NotFound where there is none of that kind;
  // DataLoss when it is damaged.
  absl::StatusOr<PackedImage> LoadPacked(const ParameterVersion& version, absl::string_view kind) const;

 private:
  struct State {
    LeaseName lease;
    uint64_t highest_sequence = 0;
    ParameterVersion active;
  };
  // Epoch and sequence: as in the names of files.
  using Key = std::pair<uint64_t, uint64_t>;
  struct Kept {
    ParameterVersion version;
    bool checked = false;      // Its digest was found right by this process, or it was written by it.
    bool packed_here = false;  // This process wrote the packed form.
  };

  VersionLog(const Options& options, std::shared_ptr<const Checkpoint> base, const Disk* disk);
  absl::Status Prepare();
  bool ReadState();
  absl::Status Scan();
  void Recover(bool state_known);
  bool TryRecover(const Key& key);
  void SetAside(const Key& key, const absl::Status& why);
  std::string PathOf(const Key& key) const;
  std::string PackedPathOf(const Key& key) const;
  absl::Status WriteState(const State& state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Likewise, and where it fails leaves what was there before.
  absl::Status ChangeState(const State& state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::shared_ptr<const Checkpoint>> OpenFile(const Key& key, bool check_digest) const;
  absl::Status WriteVersion(const Checkpoint& next) const;
  absl::Status WritePacked(const Checkpoint& next, std::span<const std::byte> packed, absl::string_view kind) const;
  void RemoveFiles(const Key& key) const;
  bool IsPackedOfKept(absl::string_view path) const;
  void Prune() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  const std::shared_ptr<const Checkpoint> base_;
  const Disk* const disk_;
  int lock_fd_ = -1;
  std::shared_ptr<const Checkpoint> recovered_;
  std::vector<std::string> report_;
  int damaged_ = 0;

  mutable Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_);
  std::map<Key, Kept> kept_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_VERSION_LOG_H_
