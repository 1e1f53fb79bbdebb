#include "trainer/corpora/compressed_file.h"

#include <archive.h>
#include <archive_entry.h>

#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"

namespace trimtab {
namespace {

constexpr size_t kBlockBytes = size_t{1} << 16;

struct FreeArchive {
  void operator()(archive* reader) const { archive_read_free(reader); }
};

absl::Status Fault(const std::string& path, archive* reader) {
  const char* message = archive_error_string(reader);
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": ", message == nullptr ? "damaged" : message,
                   "; expected text, plain or compressed with gzip, xz, lz4, zstd or bzip2"));
}

}  // namespace

absl::StatusOr<std::string> ReadCompressed(const std::string& path, size_t max_bytes) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    return absl::NotFoundError(absl::StrCat(path, " cannot be read; expected a file"));
  }
  const std::unique_ptr<archive, FreeArchive> reader(archive_read_new());
  archive_read_support_filter_all(reader.get());
  archive_read_support_format_raw(reader.get());
  archive_read_support_format_empty(reader.get());
  if (archive_read_open_filename(reader.get(), path.c_str(), kBlockBytes) != ARCHIVE_OK) {
    return Fault(path, reader.get());
  }
  archive_entry* entry = nullptr;
  const int found = archive_read_next_header(reader.get(), &entry);
  if (found == ARCHIVE_EOF) return std::string();
  if (found != ARCHIVE_OK) return Fault(path, reader.get());
  std::string text;
  std::string block(kBlockBytes, '\0');
  for (;;) {
    const la_ssize_t count = archive_read_data(reader.get(), block.data(), block.size());
    if (count == 0) return text;
    if (count < 0) return Fault(path, reader.get());
    if (text.size() + static_cast<size_t>(count) > max_bytes) {
      return absl::InvalidArgumentError(absl::StrCat(path, " has more than ", max_bytes, " bytes of text"));
    }
    text.append(block, 0, static_cast<size_t>(count));
  }
}

}  // namespace trimtab
