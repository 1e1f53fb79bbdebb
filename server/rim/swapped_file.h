#ifndef TRIMTAB_SERVER_RIM_SWAPPED_FILE_H_
#define TRIMTAB_SERVER_RIM_SWAPPED_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trimtab {

// A file that exists in memory only, for what wants a path within this process. Who opens it gets one whole content,
// the old one or the new one, and each content has another time of modification, in whole seconds. Swap is for one
// thread at a time.
class SwappedFile {
 public:
  // Unavailable where the system gives no memory or file descriptor.
  static absl::StatusOr<SwappedFile> Create(absl::string_view content);
  SwappedFile(SwappedFile&& other) noexcept : fd_(other.fd_), swaps_(other.swaps_) { other.fd_ = -1; }
  SwappedFile& operator=(SwappedFile&&) = delete;
  ~SwappedFile();

  absl::Status Swap(absl::string_view content);
  std::string path() const;

 private:
  explicit SwappedFile(int fd) : fd_(fd) {}
  int fd_;
  int swaps_ = 0;
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_SWAPPED_FILE_H_
