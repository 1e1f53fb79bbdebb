#include "client/gateway/event_stream.h"

#include <utility>

namespace trimtab {
namespace {

constexpr size_t kMaxWaiting = 64;

}  // namespace

EventStream::EventStream(Call call) : thread_([this, call = std::move(call)] { Run(call); }) {}

EventStream::~EventStream() {
  {
    absl::MutexLock lock(&mutex_);
    unread_ = true;
  }
  thread_.join();
}

void EventStream::Run(const Call& call) {
  absl::Status status = call([this](std::string event) { return Emitted(std::move(event)); });
  absl::MutexLock lock(&mutex_);
  status_ = std::move(status);
  ended_ = true;
}

bool EventStream::HasRoom() const { return unread_ || events_.size() < kMaxWaiting; }

bool EventStream::Emitted(std::string event) {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &EventStream::HasRoom));
  if (!unread_) events_.push_back(std::move(event));
  return !unread_;
}

std::optional<std::string> EventStream::Next() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &EventStream::HasNews));
  if (events_.empty()) return std::nullopt;
  std::string event = std::move(events_.front());
  events_.pop_front();
  return event;
}

absl::Status EventStream::status() const {
  absl::MutexLock lock(&mutex_);
  return status_;
}

absl::Status EventStream::WaitForFirst() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &EventStream::HasNews));
  return events_.empty() ? status_ : absl::OkStatus();
}

}  // namespace trimtab
