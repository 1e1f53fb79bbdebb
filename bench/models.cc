#include "bench/models.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "model/random_checkpoint.h"
#include "model/status_macros.h"

namespace trimtab::bench {
namespace {

constexpr char kTokenizer[] = "deploy/models/debian-pilot/spiece.model";  // ./dev bench runs at the root.

std::filesystem::path CacheFolder() {
  const char* const xdg = std::getenv("XDG_CACHE_HOME");
  const char* const home = std::getenv("HOME");
  const std::filesystem::path cache = xdg != nullptr    ? std::filesystem::path(xdg)
                                      : home != nullptr ? std::filesystem::path(home) / ".cache"
                                                        : std::filesystem::temp_directory_path();
  return cache / "trimtab" / "bench";
}

}  // namespace

std::string ShortName(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return "f32";
    case Precision::kBfloat16:
      return "bf16";
    case Precision::kInt8:
      break;
  }
  return "int8";
}

absl::StatusOr<std::string> RandomModel(const std::string& shape, const std::string& variant, int rewards) {
  const std::filesystem::path folder =
      CacheFolder() / (rewards == 0 ? shape : absl::StrCat(shape, "-", variant, "-m", rewards));
  if (std::filesystem::exists(folder)) return folder.string();
  ASSIGN_OR_RETURN(const T5Config config, KnownShape(shape));
  // Made under another name first: what is cut off is made again.
  const std::filesystem::path partial = absl::StrCat(folder.string(), ".partial");
  std::error_code error;
  std::filesystem::remove_all(partial, error);
  std::filesystem::create_directories(partial.parent_path(), error);
  RETURN_IF_ERROR(rewards == 0 ? WriteRandomCheckpoint(config, 1, kTokenizer, partial.string())
                               : WriteRandomClp(config, variant, rewards, 1, kTokenizer, partial.string()));
  std::filesystem::rename(partial, folder, error);
  if (error) return absl::InternalError(absl::StrCat(folder.string(), ": ", error.message()));
  return folder.string();
}

absl::Status FillModels(const std::vector<std::string>& variants, int rewards, std::vector<std::string>* models) {
  if (!models->empty()) return absl::OkStatus();
  for (const std::string& variant : variants) {
    ASSIGN_OR_RETURN(models->emplace_back(), RandomModel("flan-t5-base", variant, rewards));
  }
  return absl::OkStatus();
}

}  // namespace trimtab::bench
