#include "server/rim/watch_call.h"

#include <utility>

#include "server/error_reason.h"
#include "server/rim/convert.h"

namespace trimtab {

WatchCall::WatchCall(const ParametersParts& parts, const absl::Status& allowed) : parts_(parts) {
  if (!allowed.ok()) {
    Stop(allowed);
    return;
  }
  watch_ = parts_.updates->Watch([this](const std::optional<ParameterVersion>& version) {
    version.has_value() ? Offer(*version) : Stop(DrainedError());
  });
}

void WatchCall::OnDone() {
  if (watch_ != 0) parts_.updates->Unwatch(watch_);
  delete this;
}

void WatchCall::Offer(const ParameterVersion& version) {
  {
    MutexLock lock(mutex_);
    next_ = version;
    if (std::exchange(pumping_, true)) return;
  }
  Pump();
}

void WatchCall::Stop(const absl::Status& status) {
  {
    MutexLock lock(mutex_);
    if (!end_.has_value()) end_ = status;
    if (std::exchange(pumping_, true)) return;
  }
  Pump();
}

void WatchCall::OnWriteDone(bool ok) {
  if (!ok) {
    MutexLock lock(mutex_);
    end_ = absl::CancelledError("the caller is gone");
  }
  Pump();
}

// The pump never rests after the end, so the end is said once.
void WatchCall::Pump() {
  std::optional<absl::Status> end;
  {
    MutexLock lock(mutex_);
    end = end_;
    if (!end.has_value() && (!next_.has_value() || next_ == sent_)) {
      next_.reset();
      pumping_ = false;
      return;
    }
    if (!end.has_value()) {
      sent_ = std::exchange(next_, std::nullopt);
      *out_.mutable_version() = VersionToProto(*sent_);
    }
  }
  if (end.has_value()) {
    Finish(EndParametersCall(parts_, "Watch", *end));
  } else {
    StartWrite(&out_);
  }
}

}  // namespace trimtab
