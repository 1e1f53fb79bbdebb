#include "server/rim/call.h"

#include <utility>

#include "absl/time/clock.h"
#include "model/status_macros.h"
#include "server/memory_plan.h"
#include "server/rim/grpc_status.h"
#include "server/rim/wire.h"
#include "spdlog/spdlog.h"

namespace trimtab {
namespace {

// gRPC's timers fire this much early or late.
constexpr absl::Duration kTimerSlack = absl::Milliseconds(20);

absl::Status Admit(const SummarizerParts& parts, const grpc::CallbackServerContext& context, Role role,
                   MemoryBudget::Share* memory) {
  RETURN_IF_ERROR(Authorize(parts.tokens, context, role));
  ASSIGN_OR_RETURN(*memory, parts.memory->Take(kCallBytes));
  return absl::OkStatus();
}

}  // namespace

Call::Call(const SummarizerParts& parts, absl::string_view method, const grpc::CallbackServerContext& context,
           Role role)
    : parts_(parts),
      method_(method),
      started_(absl::Now()),
      deadline_(absl::FromChrono(context.deadline())),
      allowed_(Admit(parts, context, role, &memory_)) {}

absl::Status Call::TakeMemory(int64_t bytes) {
  ASSIGN_OR_RETURN(more_memory_, parts_.memory->Take(bytes));
  return absl::OkStatus();
}

void Call::Submit(const grpc::ByteBuffer& bytes, v1::SummarizeResponse* reply, SummaryCallbacks callbacks) {
  if (!allowed_.ok()) return callbacks.on_done(allowed_);
  v1::SummarizeRequest request;
  if (absl::Status status = ParseMessage(bytes, &request); !status.ok()) return callbacks.on_done(std::move(status));
  auto prepared = Prepare(parts_, request, deadline_);
  if (!prepared.ok()) return callbacks.on_done(prepared.status());
  *reply = std::move(prepared->reply);
  NoteSubmitted();
  id_ = parts_.scheduler->Submit(std::move(prepared->request), std::move(callbacks));
  if (cancelled_) parts_.scheduler->Cancel(id_);
}

bool Call::late() const { return absl::Now() + kTimerSlack >= deadline_; }

void Call::Cancel() {
  if (late()) return;
  cancelled_ = true;
  if (id_ != 0) parts_.scheduler->Cancel(id_);
}

grpc::Status Call::End(const absl::Status& status) {
  const double seconds = absl::ToDoubleSeconds(absl::Now() - started_);
  const std::string code(CodeName(status.code()));
  parts_.metrics->CountRequest(method_, code, seconds);
  const bool ours = submitted_ && (absl::IsInternal(status) || absl::IsUnknown(status));
  if (ours) {
    spdlog::error("{} failed: {} {}", method_, code, std::string(status.message()));
  } else {
    spdlog::debug("{} {} after {:.6f} s", method_, code, seconds);
  }
  return ToGrpc(status);
}

}  // namespace trimtab
