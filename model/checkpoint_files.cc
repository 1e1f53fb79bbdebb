#include "model/checkpoint_files.h"

#include <filesystem>
#include <span>

#include "absl/strings/str_cat.h"
#include "model/checkpoint.h"
#include "model/mapped_file.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

namespace fs = std::filesystem;

absl::Status MakeFolder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(folder.string(), " cannot be made: ", error.message()));
}

absl::Status UnlessMissing(const absl::Status& status) { return absl::IsNotFound(status) ? absl::OkStatus() : status; }

}  // namespace

absl::Status MakeEmptyFolder(const std::string& out) {
  std::error_code error;
  if (fs::exists(out, error) && !(fs::is_directory(out, error) && fs::is_empty(out, error))) {
    return absl::InvalidArgumentError(absl::StrCat(out, " exists and is not an empty folder; name a new one"));
  }
  return MakeFolder(out);
}

absl::Status WriteTensors(const TensorMap& tensors, const std::string& out, absl::string_view file) {
  const std::string path = absl::StrCat(out, "/", file);
  RETURN_IF_ERROR(MakeFolder(fs::path(path).parent_path()));
  return WriteSafetensors(path, tensors, {{"format", "pt"}});
}

absl::Status CopyFile(const std::string& from, const std::string& out, absl::string_view name) {
  ASSIGN_OR_RETURN(const auto file, MappedFile::Open(absl::StrCat(from, "/", name)));
  return WriteFileAtomically(absl::StrCat(out, "/", name), file->bytes());
}

absl::Status CopyTexts(const std::string& from, const std::string& out) {
  RETURN_IF_ERROR(CopyFile(from, out, kConfigFile));
  RETURN_IF_ERROR(CopyFile(from, out, kTokenizerFile));
  return UnlessMissing(CopyFile(from, out, kGenerationFile));
}

absl::Status CopyReference(const std::string& from, const std::string& out) {
  return UnlessMissing(CopyFile(from, out, kReferenceFile));
}

absl::Status WriteClpConfig(const ClpConfig& clp, const std::string& out) {
  const std::string text = ClpConfigToJson(clp);
  RETURN_IF_ERROR(ParseClpConfig(text).status());
  return WriteFileAtomically(absl::StrCat(out, "/", kClpFile),
                             std::as_bytes(std::span<const char>(text.data(), text.size())));
}

}  // namespace trimtab
