#ifndef TRIMTAB_SERVER_DISK_H_
#define TRIMTAB_SERVER_DISK_H_

#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trimtab {

// The system calls by which files become durable. Errors: ResourceExhausted when the disk is full, else Internal.
// Thread-safe.
class Disk {
 public:
  // Called before each system call that changes the disk, with the call's name ("create", "write", "fsync", "rename",
  // "fsync folder", "unlink", "mkdir") and the path. Not OK: the call is not made and fails with that. For tests of
  // what a full, broken or suddenly absent machine does.
  using Hook = std::function<absl::Status(absl::string_view call, const std::string& path)>;

  explicit Disk(Hook hook = nullptr) : hook_(std::move(hook)) {}

  // Makes `path`, whose parent exists, unless it is there.
  absl::Status MakeFolder(const std::string& path) const;
  // `path` is what it was or the whole new file, whenever the machine stops: writes a file beside it, flushes it,
  // renames it, flushes the folder. After an error the file beside it is gone; where only the last step failed, `path`
  // is new.
  absl::Status Replace(const std::string& path, std::span<const absl::string_view> parts) const;
  absl::Status Remove(const std::string& path) const;
  // The names in a folder, sorted.
  static absl::StatusOr<std::vector<std::string>> List(const std::string& folder);
  // What Replace leaves behind when the process ends within it.
  static bool IsLeftover(absl::string_view name);

 private:
  absl::Status Before(absl::string_view call, const std::string& path) const;
  absl::Status WriteAll(int fd, const std::string& path, absl::string_view bytes) const;
  absl::Status WriteFile(const std::string& path, std::span<const absl::string_view> parts) const;
  absl::Status FlushFolderOf(const std::string& path) const;

  const Hook hook_;
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_DISK_H_
