#include "server/version_log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <tuple>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "model/checksum.h"
#include "model/mapped_file.h"
#include "model/published.h"
#include "model/status_macros.h"
#include "model/strict_json.h"

namespace trimtab {
namespace {

using nlohmann::json;

constexpr char kState[] = "state.json";
constexpr char kVersions[] = "versions";
constexpr char kSuffix[] = ".safetensors";
constexpr char kPackedSuffix[] = ".packed";
constexpr size_t kPackedHead = 4096;  // Says what follows; a page, so that what follows is aligned.
constexpr size_t kMaxStateBytes = 4096;

absl::string_view Text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string Name(const ParameterVersion& version) {
  return absl::StrCat("(", version.epoch, ", ", version.sequence, ", ", version.digest, ")");
}

// False unless `object` has the number.
bool ReadNumber(const json& object, const char* key, uint64_t* value) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_unsigned()) return false;
  *value = found->get<uint64_t>();
  return true;
}

bool ReadText(const json& object, const char* key, std::string* value) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return false;
  *value = found->get<std::string>();
  return true;
}

}  // namespace

VersionLog::VersionLog(const Options& options, std::shared_ptr<const Checkpoint> base, const Disk* disk)
    : options_{std::filesystem::absolute(options.directory).lexically_normal(), options.keep},
      base_(std::move(base)),
      disk_(disk) {}

VersionLog::~VersionLog() {
  if (lock_fd_ >= 0) close(lock_fd_);
}

absl::StatusOr<std::unique_ptr<VersionLog>> VersionLog::Open(const Options& options,
                                                             std::shared_ptr<const Checkpoint> base, const Disk* disk) {
  std::unique_ptr<VersionLog> log(new VersionLog(options, std::move(base), disk));
  RETURN_IF_ERROR(log->Prepare());
  const bool state_known = log->ReadState();
  RETURN_IF_ERROR(log->Scan());
  log->Recover(state_known);
  return log;
}

absl::Status VersionLog::Prepare() {
  RETURN_IF_ERROR(disk_->MakeFolder(options_.directory));
  RETURN_IF_ERROR(disk_->MakeFolder(absl::StrCat(options_.directory, "/", kVersions)));
  const std::string lock = absl::StrCat(options_.directory, "/lock");
  lock_fd_ = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (lock_fd_ < 0) return absl::InternalError(absl::StrCat(lock, " cannot be made"));
  if (flock(lock_fd_, LOCK_EX | LOCK_NB) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(options_.directory, " is in use by another server; give each its own --state-dir"));
}

bool VersionLog::ReadState() {
  const std::string path = absl::StrCat(options_.directory, "/", kState);
  const absl::StatusOr<std::string> text = ReadSmallFile(path, kMaxStateBytes);
  if (absl::IsNotFound(text.status())) return true;  // A new log.
  const absl::StatusOr<json> object = text.ok() ? ParseStrictJson(*text, kState) : text.status();
  State state;
  MutexLock lock(mutex_);
  if (object.ok() && object->is_object() && ReadNumber(*object, "lease_epoch", &state.lease.epoch) &&
      ReadText(*object, "lease_holder", &state.lease.holder) &&
      ReadNumber(*object, "highest_sequence", &state.highest_sequence) &&
      ReadNumber(*object, "active_epoch", &state.active.epoch) &&
      ReadNumber(*object, "active_sequence", &state.active.sequence) &&
      ReadText(*object, "active_digest", &state.active.digest)) {
    state_ = state;
    return true;
  }
  ++damaged_;
  report_.push_back(absl::StrCat(path, " is damaged; going by the files of the versions"));
  return false;
}

std::string VersionLog::PathOf(const Key& key) const {
  return absl::StrFormat("%s/%s/%020d-%020d%s", options_.directory, kVersions, key.first, key.second, kSuffix);
}

std::string VersionLog::PackedPathOf(const Key& key) const {
  return absl::StrCat(absl::StripSuffix(PathOf(key), kSuffix), kPackedSuffix);
}

void VersionLog::RemoveFiles(const Key& key) const {
  disk_->Remove(PackedPathOf(key)).IgnoreError();
  disk_->Remove(PathOf(key)).IgnoreError();
}

bool VersionLog::IsPackedOfKept(absl::string_view path) const {
  MutexLock lock(mutex_);
  return std::any_of(kept_.begin(), kept_.end(), [&](const auto& kept) { return PackedPathOf(kept.first) == path; });
}

// Finds the files that are versions by name and form; removes what a commit that did not end left behind.
absl::Status VersionLog::Scan() {
  const std::string folder = absl::StrCat(options_.directory, "/", kVersions);
  ASSIGN_OR_RETURN(const std::vector<std::string> names, Disk::List(folder));
  std::vector<std::string> packed;
  for (const std::string& name : names) {
    const std::string path = absl::StrCat(folder, "/", name);
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(absl::StripSuffix(name, kSuffix), absl::MaxSplits('-', 1));
    Key key;
    if (absl::SimpleAtoi(parts.first, &key.first) && absl::SimpleAtoi(parts.second, &key.second) &&
        path == PathOf(key)) {
      const auto opened = OpenFile(key, /*check_digest=*/false);
      if (!opened.ok()) {
        SetAside(key, opened.status());
        continue;
      }
      MutexLock lock(mutex_);
      kept_[key].version = (*opened)->version();
    } else if (absl::EndsWith(name, kPackedSuffix)) {
      packed.push_back(path);
    } else if (Disk::IsLeftover(name)) {
      RETURN_IF_ERROR(disk_->Remove(path));
      report_.push_back(absl::StrCat(path, " is what an interrupted commit left; removed"));
    } else {
      report_.push_back(absl::StrCat(path, " is no version; ignored"));
    }
  }
  for (const std::string& path : packed) {
    if (!IsPackedOfKept(path)) RETURN_IF_ERROR(disk_->Remove(path));
  }
  return absl::OkStatus();
}

void VersionLog::Recover(bool state_known) {
  std::vector<Key> keys;
  State state;
  {
    MutexLock lock(mutex_);
    for (const auto& [key, kept] : kept_) keys.push_back(key);
    state = state_;
  }
  // By what must be preferred, the best last: in flight, then the served one, then the newest.
  const Key active(state.active.epoch, state.active.sequence);
  std::stable_sort(keys.begin(), keys.end(), [&](const Key& a, const Key& b) {
    const auto rank = [&](const Key& key) {
      const bool in_flight = state_known && key.second > state.highest_sequence;
      return std::tuple(in_flight, state_known && key == active, key);
    };
    return rank(a) < rank(b);
  });
  const bool serves_base = state_known && state.active.digest == base_->digest &&
                           active == Key(base_->epoch, base_->clp.sequence) &&
                           (keys.empty() || keys.back().second <= state.highest_sequence);
  while (!serves_base && !keys.empty() && !TryRecover(keys.back())) keys.pop_back();
  if (recovered_ == nullptr) recovered_ = base_;
  MutexLock lock(mutex_);
  state_.active = recovered_->version();
  for (const auto& [key, kept] : kept_) {
    state_.highest_sequence = std::max(state_.highest_sequence, key.second);
    state_.lease.epoch = std::max(state_.lease.epoch, key.first);
  }
  state_.highest_sequence = std::max(state_.highest_sequence, base_->clp.sequence);
  report_.push_back(absl::StrCat("serving ", Name(state_.active),
                                 recovered_ == base_ ? ", the checkpoint itself; " : ", recovered; ", kept_.size(),
                                 " versions are kept in ", options_.directory));
}

bool VersionLog::TryRecover(const Key& key) {
  absl::StatusOr<std::shared_ptr<const Checkpoint>> opened = OpenFile(key, /*check_digest=*/true);
  if (!opened.ok()) {
    SetAside(key, opened.status());
    return false;
  }
  recovered_ = *opened;
  MutexLock lock(mutex_);
  kept_[key] = {recovered_->version(), /*checked=*/true, /*packed_here=*/false};
  return true;
}

void VersionLog::SetAside(const Key& key, const absl::Status& why) {
  const std::string path = PathOf(key);
  std::rename(path.c_str(), absl::StrCat(path, ".damaged").c_str());
  report_.push_back(absl::StrCat(path, " is damaged and was set aside: ", why.message()));
  ++damaged_;
  MutexLock lock(mutex_);
  kept_.erase(key);
}

absl::StatusOr<std::shared_ptr<const Checkpoint>> VersionLog::OpenFile(const Key& key, bool check_digest) const {
  ASSIGN_OR_RETURN(const Safetensors file, Safetensors::Open(PathOf(key)));
  ASSIGN_OR_RETURN(const std::vector<Tensor> tensors, PublishedTensorsOf(file, *base_));
  const auto digest = file.metadata().find("digest");
  if (digest == file.metadata().end()) return absl::InvalidArgumentError("it states no digest");
  auto checkpoint = std::make_shared<const Checkpoint>(WithPublished(
      *base_, tensors, std::make_shared<const Safetensors>(file), {key.first, key.second, digest->second}));
  if (check_digest && ParametersDigest(checkpoint->tensors) != checkpoint->digest) {
    return absl::DataLossError("its tensors do not give the digest it states");
  }
  return checkpoint;
}

LeaseName VersionLog::lease() const {
  MutexLock lock(mutex_);
  return state_.lease;
}

uint64_t VersionLog::highest_sequence() const {
  MutexLock lock(mutex_);
  return state_.highest_sequence;
}

std::vector<ParameterVersion> VersionLog::versions() const {
  MutexLock lock(mutex_);
  std::vector<ParameterVersion> versions;
  for (const auto& [key, kept] : kept_) versions.push_back(kept.version);
  return versions;
}

absl::Status VersionLog::WriteState(const State& state) {
  const json object = {{"lease_epoch", state.lease.epoch},           {"lease_holder", state.lease.holder},
                       {"highest_sequence", state.highest_sequence}, {"active_epoch", state.active.epoch},
                       {"active_sequence", state.active.sequence},   {"active_digest", state.active.digest}};
  const std::string text = object.dump(2) + "\n";
  const absl::string_view parts[] = {text};
  RETURN_IF_ERROR(disk_->Replace(absl::StrCat(options_.directory, "/", kState), parts));
  state_ = state;
  return absl::OkStatus();
}

absl::Status VersionLog::ChangeState(const State& state) {
  const State before = state_;
  absl::Status status = WriteState(state);
  if (!status.ok()) WriteState(before).IgnoreError();  // What failed may lie there already.
  return status;
}

absl::Status VersionLog::SetLease(const LeaseName& lease) {
  MutexLock lock(mutex_);
  if (lease.epoch < state_.lease.epoch) return absl::AbortedError("a higher lease epoch was granted meanwhile");
  State state = state_;
  state.lease = lease;
  return ChangeState(state);
}

absl::Status VersionLog::Activate(const ParameterVersion& version) {
  MutexLock lock(mutex_);
  State state = state_;
  state.active = version;
  RETURN_IF_ERROR(ChangeState(state));
  recovered_.reset();
  return absl::OkStatus();
}

absl::Status VersionLog::WriteVersion(const Checkpoint& next) const {
  ASSIGN_OR_RETURN(const std::string header, PublishedHeader(next, {{"format", "pt"}, {"digest", next.digest}}));
  std::vector<absl::string_view> parts = {header};
  for (const PublishedTensor& place : PublishedTensors(next)) parts.push_back(Text(place.In(next).bytes));
  return disk_->Replace(PathOf({next.epoch, next.clp.sequence}), parts);
}

absl::Status VersionLog::WritePacked(const Checkpoint& next, std::span<const std::byte> packed,
                                     absl::string_view kind) const {
  const json what = {{"kind", std::string(kind)}, {"digest", next.digest}, {"checksum", ContentChecksum(packed)}};
  std::string head = what.dump();
  head.resize(kPackedHead, ' ');
  const absl::string_view parts[] = {head, Text(packed)};
  return disk_->Replace(PackedPathOf({next.epoch, next.clp.sequence}), parts);
}

absl::StatusOr<PackedImage> VersionLog::LoadPacked(const ParameterVersion& version, absl::string_view kind) const {
  const Key key(version.epoch, version.sequence);
  ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> file, MappedFile::Open(PackedPathOf(key)));
  const absl::Status damaged = absl::DataLossError(absl::StrCat(PackedPathOf(key), " is damaged"));
  if (file->bytes().size() < kPackedHead) return damaged;
  const auto what = ParseStrictJson(Text(file->bytes().first(kPackedHead)), PackedPathOf(key));
  std::string its_kind, digest, checksum;
  if (!what.ok() || !what->is_object() || !ReadText(*what, "kind", &its_kind) || !ReadText(*what, "digest", &digest) ||
      !ReadText(*what, "checksum", &checksum)) {
    return damaged;
  }
  if (absl::string_view(its_kind) != kind || digest != version.digest) {
    return absl::NotFoundError(absl::StrCat(PackedPathOf(key), " is packed for ", its_kind, ", not for ", kind));
  }
  const std::span<const std::byte> image = file->bytes().subspan(kPackedHead);
  bool trusted = false;
  {
    MutexLock lock(mutex_);
    const auto kept = kept_.find(key);
    trusted = kept != kept_.end() && kept->second.packed_here;
  }
  if (!trusted && ContentChecksum(image) != checksum) return damaged;
  return PackedImage{image, file};
}

absl::StatusOr<std::shared_ptr<const Checkpoint>> VersionLog::Append(const Checkpoint& next,
                                                                     std::span<const std::byte> packed,
                                                                     absl::string_view kind) {
  const Key key(next.epoch, next.clp.sequence);
  absl::Cleanup remove = [this, &key] { RemoveFiles(key); };
  if (!packed.empty()) RETURN_IF_ERROR(WritePacked(next, packed, kind));
  RETURN_IF_ERROR(WriteVersion(next));
  ASSIGN_OR_RETURN(std::shared_ptr<const Checkpoint> stored, OpenFile(key, /*check_digest=*/false));
  MutexLock lock(mutex_);
  State state = state_;
  state.highest_sequence = next.clp.sequence;
  state.active = next.version();
  RETURN_IF_ERROR(ChangeState(state));
  std::move(remove).Cancel();
  kept_[key] = {next.version(), /*checked=*/true, /*packed_here=*/!packed.empty()};
  recovered_.reset();
  Prune();
  return stored;
}

// A file that cannot be removed is a version again after the next start.
void VersionLog::Prune() {
  const Key active(state_.active.epoch, state_.active.sequence);
  for (auto oldest = kept_.begin(); static_cast<int>(kept_.size()) > options_.keep && oldest != kept_.end();) {
    if (oldest->first == active) {
      ++oldest;
      continue;
    }
    RemoveFiles(oldest->first);
    oldest = kept_.erase(oldest);
  }
}

absl::StatusOr<std::shared_ptr<const Checkpoint>> VersionLog::Load(const ParameterVersion& version) {
  const Key key(version.epoch, version.sequence);
  bool checked = false;
  {
    MutexLock lock(mutex_);
    const auto found = kept_.find(key);
    if (found == kept_.end()) return absl::NotFoundError(absl::StrCat("version ", Name(version), " is not kept"));
    checked = found->second.checked;
  }
  absl::StatusOr<std::shared_ptr<const Checkpoint>> opened = OpenFile(key, /*check_digest=*/!checked);
  if (!opened.ok()) return absl::DataLossError(absl::StrCat(PathOf(key), ": ", opened.status().message()));
  MutexLock lock(mutex_);
  if (const auto found = kept_.find(key); found != kept_.end()) found->second.checked = true;
  return opened;
}

}  // namespace trimtab
