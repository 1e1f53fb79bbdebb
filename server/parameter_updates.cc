#include "server/parameter_updates.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/field_error.h"
#include "model/published.h"
#include "model/status_macros.h"
#include "server/error_reason.h"
#include "server/soundness.h"

namespace trimtab {
namespace {

std::string Name(const ParameterVersion& version) {
  return absl::StrCat("epoch ", version.epoch, ", sequence ", version.sequence, ", digest ", version.digest);
}

absl::Status Superseded() { return absl::AbortedError("another publisher took the lease meanwhile"); }

}  // namespace

ParameterUpdates::ParameterUpdates(const UpdateParts& parts, const UpdateOptions& options)
    : parts_(parts),
      options_(options),
      staging_bytes_(options.staging_bytes > 0 ? options.staging_bytes : DefaultStagingBytes(*parts.base)),
      lease_(parts.log == nullptr ? LeaseName() : parts.log->lease(), options.lease_timeout),
      served_(parts.served),
      highest_sequence_(parts.log == nullptr ? parts.served->clp.sequence : parts.log->highest_sequence()),
      announced_(parts.served->version()) {
  parts_.served.reset();  // Lives in served_, and only as long as it is served.
  parts_.cache->KeepOnly(*parts_.store->Current());
}

ParameterUpdates::~ParameterUpdates() { Stop(); }

void ParameterUpdates::StartStop() {
  MutexLock lock(mutex_);
  stopped_ = true;
  staging_.reset();
}

void ParameterUpdates::Stop() {
  StartStop();
  {
    MutexLock lock(mutex_);
    while (busy_) idle_.Wait(mutex_);
  }
  Announce(std::nullopt);
}

bool ParameterUpdates::stopped() const {
  MutexLock lock(mutex_);
  return stopped_;
}

// --- receiving ---

absl::Status ParameterUpdates::CheckMayChange() const {
  if (stopped_) return DrainedError();
  if (busy_) return absl::ResourceExhaustedError("another version is being committed or activated: try again");
  return absl::OkStatus();
}

std::optional<ParameterUpdates::Outcome> ParameterUpdates::FindHeld(const ParameterVersion& version) const {
  for (const Outcome& held : List().versions) {
    if (held.version == version) return held;
  }
  return std::nullopt;
}

absl::Status ParameterUpdates::TakeLease(const LeaseName& lease) {
  bool is_new = false;
  {
    MutexLock lock(mutex_);
    RETURN_IF_ERROR(lease_.Check(lease, Clock::now()));
    is_new = lease_.last() != lease;
  }
  if (is_new && parts_.log != nullptr) RETURN_IF_ERROR(parts_.log->SetLease(lease));
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(lease_.Check(lease, Clock::now()));
  lease_.Renew(lease, Clock::now());
  return absl::OkStatus();
}

absl::Status ParameterUpdates::CheckNew(const Manifest& manifest) const {
  if (manifest.version.sequence <= highest_sequence_) {
    return WithReason(
        absl::FailedPreconditionError(absl::StrCat("version.sequence is ", manifest.version.sequence,
                                                   "; this server has had ", highest_sequence_, ": take a higher one")),
        kSequenceTooLow);
  }
  if (manifest.expected_parent == served_->digest) return absl::OkStatus();
  return WithReason(absl::FailedPreconditionError(absl::StrCat("expected_parent is ", manifest.expected_parent,
                                                               "; this server serves ", Name(served_->version()))),
                    kParentMismatch);
}

absl::StatusOr<ParameterUpdates::Begun> ParameterUpdates::Begin(const Manifest& manifest, const LeaseName& lease) {
  {
    MutexLock lock(mutex_);
    RETURN_IF_ERROR(CheckMayChange());
  }
  RETURN_IF_ERROR(TakeLease(lease));
  if (const std::optional<Outcome> held = FindHeld(manifest.version)) {
    return Begun{.committed = true, .durable = held->durable, .received = {}};
  }
  std::shared_ptr<Staging> dropped;  // Its memory goes after the lock.
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(CheckMayChange());
  if (lease_.last() != lease) return Superseded();
  if (staging_ != nullptr && !(staging_->manifest() == manifest)) dropped = std::move(staging_);
  RETURN_IF_ERROR(CheckNew(manifest));
  absl::StatusOr<Begun> begun = Stage(manifest);
  if (begun.ok()) {
    staging_lease_ = lease;
    committer_.SetAlarm(lease_.expires(), [this] { DropIdleStage(); });
  }
  parts_.metrics->params_staged_bytes.Set(staging_ == nullptr ? 0.0 : static_cast<double>(staging_->bytes()));
  return begun;
}

absl::StatusOr<ParameterUpdates::Begun> ParameterUpdates::Stage(const Manifest& manifest) {
  if (staging_ == nullptr) {
    ASSIGN_OR_RETURN(staging_, Staging::Begin(manifest, parts_.base, served_, staging_bytes_));
  }
  return Begun{.received = staging_->received(), .ticket = ++ticket_};
}

absl::Status ParameterUpdates::CheckTicket(uint64_t ticket) const {
  if (stopped_) return DrainedError();
  if (staging_ != nullptr && lease_.last() != staging_lease_) return Superseded();
  if (staging_ != nullptr && ticket == ticket_) return absl::OkStatus();
  return WithReason(absl::FailedPreconditionError(
                        "nothing is staged for this stream: it has lapsed, or a later stream took over; Begin again"),
                    kNotBegun);
}

absl::Status ParameterUpdates::Add(uint64_t ticket, uint64_t tensor, uint64_t offset, absl::string_view bytes,
                                   uint64_t checksum) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(CheckTicket(ticket));
  RETURN_IF_ERROR(staging_->Add(tensor, offset, bytes, checksum));
  lease_.Renew(staging_lease_, Clock::now());
  parts_.metrics->params_update_bytes.Increment(static_cast<double>(bytes.size()));
  return absl::OkStatus();
}

// The alarm that Begin set: messages since then have moved the end of the lease.
void ParameterUpdates::DropIdleStage() {
  std::shared_ptr<Staging> dropped;
  MutexLock lock(mutex_);
  if (staging_ == nullptr) return;
  if (lease_.alive(Clock::now())) {
    committer_.SetAlarm(lease_.expires(), [this] { DropIdleStage(); });
    return;
  }
  dropped = std::move(staging_);
  parts_.metrics->params_staged_bytes.Set(0.0);
  parts_.metrics->CountUpdate("LEASE_LAPSED");
}

// --- committing ---

absl::StatusOr<ParameterUpdates::Commission> ParameterUpdates::Order(uint64_t ticket, absl::string_view digest) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(CheckTicket(ticket));
  RETURN_IF_ERROR(CheckMayChange());
  if (digest != absl::string_view(staging_->manifest().version.digest)) {
    return InvalidField("commit.digest",
                        absl::StrCat("differs from that of Begin, ", staging_->manifest().version.digest));
  }
  RETURN_IF_ERROR(CheckNew(staging_->manifest()));
  if (absl::Status status = staging_->CheckComplete(); !status.ok()) return WithReason(status, kIncomplete);
  busy_ = true;
  ++ticket_;
  return Commission{.staging = std::move(staging_), .lease = staging_lease_, .done = nullptr};
}

void ParameterUpdates::Commit(uint64_t ticket, absl::string_view digest, Done done) {
  absl::StatusOr<Commission> commission = Order(ticket, digest);
  if (!commission.ok()) return done(commission.status());
  commission->done = std::move(done);
  committer_.Run([this, commission = *std::move(commission)]() mutable { Execute(std::move(commission)); });
}

void ParameterUpdates::AwaitRetired() const {
  const Clock::time_point until = Clock::now() + options_.retired_patience;
  while (parts_.store->retired() > 0 && !stopped() && Clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void ParameterUpdates::Execute(Commission commission) {
  AwaitRetired();
  const Clock::time_point start = Clock::now();
  absl::StatusOr<Outcome> outcome = Admit(*commission.staging, commission.lease);
  commission.staging.reset();
  parts_.metrics->params_staged_bytes.Set(0.0);
  parts_.metrics->params_commit_duration.Observe(std::chrono::duration<double>(Clock::now() - start).count());
  EndChange(commission.done, std::move(outcome));
}

void ParameterUpdates::EndChange(const Done& done, absl::StatusOr<Outcome> outcome) {
  parts_.metrics->CountUpdate(absl::StatusCodeToString(outcome.status().code()));
  {
    MutexLock lock(mutex_);
    busy_ = false;
    idle_.NotifyAll();
  }
  done(std::move(outcome));
}

absl::StatusOr<std::shared_ptr<const Parameters>> ParameterUpdates::Pack(const Checkpoint& next,
                                                                         const Checkpoint& parent) const {
  const Precision precision = parts_.store->Current()->precision();
  absl::StatusOr<std::shared_ptr<const Parameters>> packed = Parameters::Create(next, parts_.backend, precision);
  if (absl::IsInvalidArgument(packed.status())) {
    return WithReason(absl::FailedPreconditionError(packed.status().message()), kUnsoundParameters);
  }
  if (!packed.ok()) return packed;
  if (options_.max_norm_jump > 0) RETURN_IF_ERROR(CheckNorms(parent, next, options_.max_norm_jump));
  RETURN_IF_ERROR(CheckCanary(*packed, parts_.canary_backend));
  return packed;
}

absl::StatusOr<ParameterUpdates::Outcome> ParameterUpdates::Admit(Staging& staging, const LeaseName& lease) {
  ASSIGN_OR_RETURN(Checkpoint received, staging.Finish());
  const std::shared_ptr<const Checkpoint> parent = served();
  ASSIGN_OR_RETURN(const std::shared_ptr<const Parameters> next, Pack(received, *parent));
  {
    MutexLock lock(mutex_);
    if (lease_.last() != lease) return Superseded();
  }
  ASSIGN_OR_RETURN(std::shared_ptr<const Checkpoint> source, Keep(std::move(received), *next));
  parts_.cache->Remix(*parts_.store->Current(), next, [this] { return !stopped(); });
  Serve(std::move(source), next);
  return Outcome{next->version(), parts_.log != nullptr};
}

// Where there is a log, what was received leaves memory here.
absl::StatusOr<std::shared_ptr<const Checkpoint>> ParameterUpdates::Keep(Checkpoint received,
                                                                         const Parameters& packed) {
  if (parts_.log == nullptr) return std::make_shared<const Checkpoint>(std::move(received));
  std::vector<std::byte> copy;
  return parts_.log->Append(received, packed.Image(*parts_.backend, &copy), PackedKind());
}

void ParameterUpdates::Serve(std::shared_ptr<const Checkpoint> source,
                             const std::shared_ptr<const Parameters>& parameters) {
  const ParameterVersion version = parameters->version();
  parts_.store->Publish(parameters);
  parts_.cache->KeepOnly(*parameters);
  parts_.metrics->SetParameters(version.sequence, version.digest);
  {
    MutexLock lock(mutex_);
    served_ = std::move(source);
    highest_sequence_ = std::max(highest_sequence_, version.sequence);
  }
  Announce(version);
}

// --- versions ---

std::shared_ptr<const Checkpoint> ParameterUpdates::served() const {
  MutexLock lock(mutex_);
  return served_;
}

ParameterUpdates::Held ParameterUpdates::List() const {
  Held held;
  held.versions.push_back({parts_.base->version(), true});
  if (parts_.log != nullptr) {
    for (const ParameterVersion& version : parts_.log->versions()) held.versions.push_back({version, true});
  }
  MutexLock lock(mutex_);
  held.active = served_->version();
  const bool listed = std::ranges::any_of(held.versions, [&](const Outcome& o) { return o.version == held.active; });
  if (!listed) held.versions.push_back({held.active, false});
  held.lease = lease_.last();
  held.lease_alive = lease_.alive(Clock::now());
  held.lease_timeout = lease_.timeout();
  held.highest_sequence = highest_sequence_;
  return held;
}

absl::StatusOr<std::shared_ptr<const Checkpoint>> ParameterUpdates::OpenVersion(const ParameterVersion& version) {
  std::shared_ptr<const Checkpoint> active = served();
  if (version == active->version()) return active;
  if (version == parts_.base->version()) return parts_.base;
  if (parts_.log == nullptr) return absl::NotFoundError("that version is held no more");
  return parts_.log->Load(version);
}

absl::StatusOr<std::shared_ptr<const Checkpoint>> ParameterUpdates::Open(absl::string_view digest) {
  ASSIGN_OR_RETURN(const ParameterVersion version, Find(digest, std::nullopt));
  return OpenVersion(version);
}

// The newest held version of that name.
absl::StatusOr<ParameterVersion> ParameterUpdates::Find(absl::string_view digest,
                                                        std::optional<uint64_t> sequence) const {
  const std::vector<Outcome> versions = List().versions;
  const auto found = std::find_if(versions.rbegin(), versions.rend(), [&](const Outcome& held) {
    return sequence.has_value() ? held.version.sequence == *sequence : absl::string_view(held.version.digest) == digest;
  });
  if (found != versions.rend()) return found->version;
  return absl::NotFoundError("no such version is held here; ListVersions tells which are");
}

// The layout of packed parameters depends on these; count up when it changes.
std::string ParameterUpdates::PackedKind() const {
  return absl::StrCat("1/", parts_.backend->layout(), "/", PrecisionName(parts_.store->Current()->precision()));
}

// Mapped where the log has it in this form: then no element is read before it is needed.
absl::StatusOr<std::shared_ptr<const Parameters>> ParameterUpdates::PackAgain(const Checkpoint& version) const {
  const Precision precision = parts_.store->Current()->precision();
  if (parts_.log != nullptr) {
    const auto packed = parts_.log->LoadPacked(version.version(), PackedKind());
    if (packed.ok()) {
      auto mapped = Parameters::FromImage(version, packed->bytes, packed->owner, parts_.backend, precision);
      if (mapped.ok()) return mapped;
    }
  }
  return Parameters::Create(version, parts_.backend, precision);
}

void ParameterUpdates::Activate(absl::string_view digest, std::optional<uint64_t> sequence, Done done) {
  absl::Status status;
  {
    MutexLock lock(mutex_);
    status = CheckMayChange();
    if (status.ok()) busy_ = true;
  }
  if (!status.ok()) return done(status);
  activator_.Run([this, digest = std::string(digest), sequence, done = std::move(done)] {
    EndChange(done, Restore(digest, sequence));
  });
}

absl::StatusOr<ParameterUpdates::Outcome> ParameterUpdates::Restore(absl::string_view digest,
                                                                    std::optional<uint64_t> sequence) {
  ASSIGN_OR_RETURN(const ParameterVersion version, Find(digest, sequence));
  const Outcome outcome{version, parts_.log != nullptr};
  if (version == served()->version()) return outcome;
  ASSIGN_OR_RETURN(const std::shared_ptr<const Checkpoint> source, OpenVersion(version));
  ASSIGN_OR_RETURN(const std::shared_ptr<const Parameters> parameters, PackAgain(*source));
  if (parts_.log != nullptr) RETURN_IF_ERROR(parts_.log->Activate(version));
  Serve(source, parameters);
  return outcome;
}

// --- watching ---

uint64_t ParameterUpdates::Watch(Watcher watcher) {
  MutexLock lock(watchers_mutex_);
  watcher(announced_);
  ++last_watcher_;
  if (announced_.has_value()) watchers_.emplace(last_watcher_, std::move(watcher));
  return last_watcher_;
}

void ParameterUpdates::Announce(std::optional<ParameterVersion> version) {
  MutexLock lock(watchers_mutex_);
  announced_ = std::move(version);
  for (const auto& [id, watcher] : watchers_) watcher(announced_);
  if (!announced_.has_value()) watchers_.clear();
}

void ParameterUpdates::Unwatch(uint64_t id) {
  MutexLock lock(watchers_mutex_);
  watchers_.erase(id);
}

}  // namespace trimtab
