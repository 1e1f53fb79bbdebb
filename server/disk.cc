#include "server/disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

constexpr size_t kPiece = 1 << 20;
constexpr char kSuffix[] = ".tmp";

absl::Status Failed(absl::string_view call, const std::string& path) {
  const int error = errno;
  const std::string message = absl::StrCat(path, ": ", call, " failed: ", std::strerror(error));
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) return absl::ResourceExhaustedError(message);
  return absl::InternalError(message);
}

}  // namespace

absl::Status Disk::Before(absl::string_view call, const std::string& path) const {
  return hook_ == nullptr ? absl::OkStatus() : hook_(call, path);
}

absl::Status Disk::MakeFolder(const std::string& path) const {
  RETURN_IF_ERROR(Before("mkdir", path));
  if (mkdir(path.c_str(), 0755) == 0) return FlushFolderOf(path);
  std::error_code error;
  if (errno == EEXIST && std::filesystem::is_directory(path, error)) return absl::OkStatus();
  return Failed("mkdir", path);
}

absl::Status Disk::WriteAll(int fd, const std::string& path, absl::string_view bytes) const {
  while (!bytes.empty()) {
    RETURN_IF_ERROR(Before("write", path));
    const ssize_t written = write(fd, bytes.data(), std::min(bytes.size(), kPiece));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return Failed("write", path);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status Disk::WriteFile(const std::string& path, std::span<const absl::string_view> parts) const {
  RETURN_IF_ERROR(Before("create", path));
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0) return Failed("create", path);
  const absl::Cleanup close_fd = [fd] { close(fd); };
  for (const absl::string_view part : parts) RETURN_IF_ERROR(WriteAll(fd, path, part));
  RETURN_IF_ERROR(Before("fsync", path));
  return fsync(fd) == 0 ? absl::OkStatus() : Failed("fsync", path);
}

absl::Status Disk::Replace(const std::string& path, std::span<const absl::string_view> parts) const {
  const std::string beside = absl::StrCat(path, kSuffix);
  absl::Cleanup discard = [&beside] { unlink(beside.c_str()); };
  RETURN_IF_ERROR(WriteFile(beside, parts));
  RETURN_IF_ERROR(Before("rename", path));
  if (rename(beside.c_str(), path.c_str()) != 0) return Failed("rename", path);
  std::move(discard).Cancel();
  return FlushFolderOf(path);
}

absl::Status Disk::FlushFolderOf(const std::string& path) const {
  const std::string folder = std::filesystem::path(path).parent_path();
  RETURN_IF_ERROR(Before("fsync folder", folder));
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Failed("open", folder);
  const absl::Cleanup close_fd = [fd] { close(fd); };
  return fsync(fd) == 0 ? absl::OkStatus() : Failed("fsync", folder);
}

absl::Status Disk::Remove(const std::string& path) const {
  RETURN_IF_ERROR(Before("unlink", path));
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return Failed("unlink", path);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> Disk::List(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) names.push_back(entry.path().filename());
  if (error) return absl::InternalError(absl::StrCat(folder, ": cannot be listed: ", error.message()));
  std::sort(names.begin(), names.end());
  return names;
}

bool Disk::IsLeftover(absl::string_view name) { return absl::EndsWith(name, kSuffix); }

}  // namespace trimtab
