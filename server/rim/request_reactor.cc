#include "server/rim/request_reactor.h"

namespace trimtab {

void RequestReactor::Begin() { call_.allowed().ok() ? gate_->Enter(this) : OnRequest(call_.allowed()); }

void RequestReactor::OnReadDone(bool ok) {
  if (!gate_->Arrive(this)) return;
  if (ok) {
    OnRequest(&request_);
  } else {
    OnRequest(context_.IsCancelled() ? absl::CancelledError("the call ended before its request had arrived")
                                     : absl::InternalError("the call has no request; expected one message"));
  }
  gate_->Leave(this);
}

void RequestReactor::GiveUp() {
  OnRequest(absl::ResourceExhaustedError(
      "the request came too slowly while others waited to be read: send it faster, or try again later"));
}

}  // namespace trimtab
