#ifndef TRIMTAB_MODEL_MAPPED_FILE_H_
#define TRIMTAB_MODEL_MAPPED_FILE_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"

namespace trimtab {

// A regular file mapped read-only for as long as this lives. Thread-safe.
class MappedFile {
 public:
  // NotFound when it is missing. InvalidArgument for anything but a regular file (a symlink included: a checkpoint must
  // not lead out of its folder), an empty file, or one that cannot be read.
  static absl::StatusOr<std::shared_ptr<const MappedFile>> Open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  MappedFile(const std::byte* data, size_t size) : data_(data), size_(size) {}
  const std::byte* data_;
  size_t size_;
};

// The whole of a small text file, with the same checks. InvalidArgument when it has more than `max_bytes`.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path, size_t max_bytes);

// The same of a file that an operator named, which may change meanwhile: read, not mapped, and symbolic links are
// followed, since Kubernetes mounts what is in secrets behind them.
absl::StatusOr<std::string> ReadNamedFile(const std::string& path, size_t max_bytes);

// Writes through a temporary file beside `path`, fsync and rename: `path` is the old file or the whole new one.
absl::Status WriteFileAtomically(const std::string& path, std::span<const std::byte> bytes);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_MAPPED_FILE_H_
