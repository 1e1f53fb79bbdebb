#include "server/rim/swapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

absl::Status Failed() { return absl::UnavailableError(absl::StrCat("no file in memory: ", std::strerror(errno))); }

absl::StatusOr<int> NewFile(absl::string_view content, int modified) {
  const int fd = memfd_create("trimtab", MFD_CLOEXEC);
  if (fd < 0) return Failed();
  absl::Cleanup discard = [fd] { close(fd); };
  while (!content.empty()) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return Failed();
    content.remove_prefix(static_cast<size_t>(written));
  }
  const timespec time = {.tv_sec = modified, .tv_nsec = 0};
  const timespec times[] = {time, time};
  if (futimens(fd, times) != 0) return Failed();
  std::move(discard).Cancel();
  return fd;
}

}  // namespace

absl::StatusOr<SwappedFile> SwappedFile::Create(absl::string_view content) {
  ASSIGN_OR_RETURN(const int fd, NewFile(content, /*modified=*/1));
  return SwappedFile(fd);
}

SwappedFile::~SwappedFile() {
  if (fd_ >= 0) close(fd_);
}

absl::Status SwappedFile::Swap(absl::string_view content) {
  ASSIGN_OR_RETURN(const int fd, NewFile(content, /*modified=*/swaps_ + 2));
  const absl::Cleanup close_fd = [fd] { close(fd); };
  if (dup3(fd, fd_, O_CLOEXEC) < 0) return Failed();  // In one step: the path never leads nowhere.
  ++swaps_;
  return absl::OkStatus();
}

std::string SwappedFile::path() const { return absl::StrCat("/proc/self/fd/", fd_); }

}  // namespace trimtab
