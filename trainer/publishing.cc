#include "trainer/publishing.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "model/published.h"
#include "model/status_macros.h"

namespace trimtab {

Publishing::Publishing(PublishingOptions options)
    : options_(std::move(options)), publisher_(options_.servers, options_.publisher), thread_([this] { Loop(); }) {}

Publishing::~Publishing() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

void Publishing::Offer(Checkpoint next, uint64_t step) {
  auto version = std::make_shared<const Version>(Version{std::move(next), step});
  absl::MutexLock lock(&mutex_);
  newest_ = std::move(version);
}

bool Publishing::Flush(absl::Duration timeout) {
  const auto sent = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return newest_ == nullptr; };
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&sent), timeout);
}

PublishingStatus Publishing::status() const {
  absl::MutexLock lock(&mutex_);
  return status_;
}

std::shared_ptr<const Publishing::Version> Publishing::Next() {
  const auto due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || newest_ != nullptr; };
  absl::MutexLock lock(&mutex_);
  const auto stopping = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_; };
  mutex_.AwaitWithDeadline(absl::Condition(&stopping), not_before_);
  mutex_.Await(absl::Condition(&due));
  return stopping_ ? nullptr : newest_;
}

absl::Status Publishing::Send(const Version& version) {
  Checkpoint next = options_.bf16 ? RoundPublished(version.checkpoint) : version.checkpoint;
  ASSIGN_OR_RETURN(const PublishReport report, publisher_.Publish(next, parent_.has_value() ? &*parent_ : nullptr));
  absl::Status status;
  bool any = false;
  for (const ReplicaOutcome& outcome : report.replicas) {
    any |= outcome.status.ok();
    if (!outcome.status.ok()) {
      status = absl::Status(outcome.status.code(), absl::StrCat(outcome.endpoint, ": ", outcome.status.message()));
    }
  }
  if (any) parent_ = std::move(next);
  return status;
}

void Publishing::Loop() {
  absl::Duration retry = options_.first_retry;
  while (const std::shared_ptr<const Version> version = Next()) {
    const absl::Time start = absl::Now();
    const absl::Status ended = Send(*version);
    Note(*version, ended, &retry);
    options_.on_attempt(absl::Now() - start, ended, status());
  }
}

void Publishing::Note(const Version& version, const absl::Status& ended, absl::Duration* retry) {
  absl::MutexLock lock(&mutex_);
  if (ended.ok()) {
    status_ = {version.step, ""};
    if (newest_.get() == &version) newest_ = nullptr;
    not_before_ = absl::InfinitePast();
    *retry = options_.first_retry;
  } else {
    status_.error = std::string(ended.message().substr(0, 1024));
    not_before_ = absl::Now() + *retry;
    *retry = std::min(2 * *retry, options_.last_retry);
  }
}

}  // namespace trimtab
