#include "trainer/run_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/checkpoint_files.h"
#include "model/checkpoint_writer.h"
#include "model/json_fields.h"
#include "model/mapped_file.h"
#include "model/status_macros.h"
#include "model/strict_json.h"

namespace trimtab {
namespace {

namespace fs = std::filesystem;

constexpr char kProgressFile[] = "trainer.json";
constexpr char kStateFile[] = "trainer.safetensors";

std::string StepName(uint64_t step) { return absl::StrFormat("step-%08d", step); }

absl::Status Failed(const std::string& path, absl::string_view what, const std::error_code& error) {
  return absl::InternalError(absl::StrCat(path, " cannot be ", what, ": ", error.message()));
}

// So that renames inside survive a loss of power.
absl::Status SyncFolder(const std::string& path) {
  const int folder = open(path.c_str(), O_RDONLY | O_DIRECTORY);
  const bool synced = folder >= 0 && fsync(folder) == 0;
  if (folder >= 0) close(folder);
  return synced ? absl::OkStatus() : absl::InternalError(absl::StrCat(path, " cannot be written to the disk"));
}

// Moves a finished folder to its place.
absl::Status Place(const std::string& made, const std::string& place) {
  RETURN_IF_ERROR(SyncFolder(made));
  std::error_code error;
  fs::remove_all(place, error);
  fs::rename(made, place, error);
  if (error) return Failed(place, "made", error);
  return SyncFolder(fs::path(place).parent_path());
}

// Names of the checkpoints of a run, the oldest first.
std::vector<std::string> Steps(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename();
    if (absl::StartsWith(name, "step-")) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<ClpConfig> FirstConfig(const RunConfig& config) {
  ClpConfig clp;
  clp.name = config.policy.name.empty() ? fs::path(config.out).filename().string() : config.policy.name;
  clp.variant = config.policy.variant;
  clp.patterns = config.policy.patterns;
  if (clp.variant != "custom") {
    ASSIGN_OR_RETURN(clp.patterns, VariantPatterns(clp.variant));
  }
  for (const RewardRule& rule : config.rewards) {
    RewardInfo& info = clp.rewards.emplace_back();
    info.name = rule.name;
    info.score = rule.score;
    if (rule.range.has_value()) std::tie(info.range_low, info.range_high) = *rule.range;
  }
  if (clp.rewards.empty()) {
    return absl::InvalidArgumentError("rewards is empty; a run from a plain T5 needs at least one");
  }
  clp.mixing = config.policy.mixing;
  clp.default_alpha = clp.mixing.alpha_min;
  clp.task_prefix = config.policy.task_prefix;
  if (!config.policy.prompt_labels.empty()) {
    clp.prompt_conditioning = PromptConditioning{config.policy.prompt_labels};
  }
  RETURN_IF_ERROR(ParseClpConfig(ClpConfigToJson(clp)).status());
  return clp;
}

// `snapshot` in the new folder `made`, with all else as `origin` has it.
absl::Status CopyClpFolder(const Checkpoint& snapshot, const std::string& origin, const std::string& made) {
  RETURN_IF_ERROR(MakeEmptyFolder(made));
  RETURN_IF_ERROR(CopyReference(origin, made));
  return WriteClpFolder(snapshot, origin, made);
}

absl::Status MakeOrigin(const RunConfig& config, const std::string& made) {
  ASSIGN_OR_RETURN(const Checkpoint start, OpenCheckpoint(config.start));
  if (!start.clp.rewards.empty()) return CopyClpFolder(start, config.start, made);
  ASSIGN_OR_RETURN(ClpConfig clp, FirstConfig(config));
  return WriteFirstClp(config.start, std::move(clp), made);
}

}  // namespace

absl::StatusOr<RunFolder> RunFolder::Open(const RunConfig& config) {
  RunFolder folder(config.out);
  std::error_code error;
  const fs::path checkpoints = fs::path(config.out) / "checkpoints";
  fs::create_directories(checkpoints, error);
  if (error) return Failed(config.out, "made", error);
  for (const auto& entry : fs::directory_iterator(checkpoints)) {  // What a kill left half done.
    if (absl::StartsWith(entry.path().filename().string(), ".")) fs::remove_all(entry.path(), error);
  }
  if (!fs::exists(folder.origin())) {
    const std::string made = checkpoints / ".new";
    RETURN_IF_ERROR(MakeOrigin(config, made));
    RETURN_IF_ERROR(Place(made, folder.origin()));
  }
  folder.latest_ = checkpoints / Steps(checkpoints).back();
  RETURN_IF_ERROR(folder.Link());
  return folder;
}

std::string RunFolder::origin() const { return absl::StrCat(out_, "/checkpoints/", StepName(0)); }

std::string RunFolder::state_path() const { return latest_ == origin() ? "" : absl::StrCat(latest_, "/", kStateFile); }

absl::StatusOr<Progress> RunFolder::ReadProgress() const {
  if (latest_ == origin()) return Progress{};
  ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(absl::StrCat(latest_, "/", kProgressFile), 1 << 16));
  ASSIGN_OR_RETURN(const nlohmann::json object, ParseStrictJson(text, kProgressFile));
  if (!object.is_object() || !object.contains("step") || !object["step"].is_number_unsigned() ||
      !object.contains("log_bytes") || !object["log_bytes"].is_number_unsigned()) {
    return absl::InvalidArgumentError(absl::StrCat(latest_, "/", kProgressFile, " lacks step or log_bytes"));
  }
  return Progress{object["step"].get<uint64_t>(), object["log_bytes"].get<uint64_t>()};
}

absl::Status RunFolder::Save(const Checkpoint& snapshot, const std::map<std::string, Tensor, std::less<>>& state,
                             const Progress& progress, int keep) {
  const std::string checkpoints = absl::StrCat(out_, "/checkpoints");
  const std::string made = absl::StrCat(checkpoints, "/.new");
  std::error_code error;
  fs::remove_all(made, error);
  RETURN_IF_ERROR(CopyClpFolder(snapshot, origin(), made));
  RETURN_IF_ERROR(WriteSafetensors(absl::StrCat(made, "/", kStateFile), state, {}));
  const std::string text = nlohmann::json({{"step", progress.step}, {"log_bytes", progress.log_bytes}}).dump() + "\n";
  RETURN_IF_ERROR(WriteFileAtomically(absl::StrCat(made, "/", kProgressFile),
                                      std::as_bytes(std::span<const char>(text.data(), text.size()))));
  latest_ = absl::StrCat(checkpoints, "/", StepName(progress.step));
  RETURN_IF_ERROR(Place(made, latest_));
  RETURN_IF_ERROR(Link());
  Prune(keep);
  return absl::OkStatus();
}

absl::Status RunFolder::Link() const {
  const fs::path made = fs::path(out_) / ".latest", link = fs::path(out_) / "latest";
  std::error_code error;
  fs::remove(made, error);
  fs::create_directory_symlink(fs::path("checkpoints") / fs::path(latest_).filename(), made, error);
  if (!error) fs::rename(made, link, error);
  return error ? Failed(link, "made", error) : absl::OkStatus();
}

void RunFolder::Prune(int keep) const {
  const fs::path checkpoints = fs::path(out_) / "checkpoints";
  const std::vector<std::string> names = Steps(checkpoints);
  std::error_code error;
  for (size_t i = 1; i + keep < names.size(); ++i) fs::remove_all(checkpoints / names[i], error);
}

}  // namespace trimtab
