#ifndef TRIMTAB_SERVER_RIM_CALL_H_
#define TRIMTAB_SERVER_RIM_CALL_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "server/memory_budget.h"
#include "server/metrics.h"
#include "server/rim/summarizer_service.h"
#include "server/rim/tokens.h"

namespace trimtab {

// What every call to the scheduler has in common: its memory, its deadline, its id there, its end in the metrics and
// the log. The article never reaches the log. Not thread-safe, but for Cancel.
class Call {
 public:
  // `role` is what the caller must have. Takes the memory of a call, to its end.
  Call(const SummarizerParts& parts, absl::string_view method, const grpc::CallbackServerContext& context,
       Role role = Role::kInfer);

  absl::Time deadline() const { return deadline_; }
  bool late() const;  // The deadline has passed, or will before anybody can say so.
  // Whether the caller has the role, and there was memory for the call.
  const absl::Status& allowed() const { return allowed_; }

  // Takes more memory, to the end of the call. ResourceExhausted where there is none. Once.
  absl::Status TakeMemory(int64_t bytes);

  // Parses and prepares `request`, keeps what the reply needs in *reply and submits. Ends by `callbacks.on_done` in any
  // case.
  void Submit(const grpc::ByteBuffer& request, v1::SummarizeResponse* reply, SummaryCallbacks callbacks);

  // The caller is gone: ends the request within one step. A caller that is gone because time is up gets
  // DeadlineExceeded from the scheduler, which watches the same deadline. From any thread, beside Submit too.
  void Cancel();

  // For those that submit themselves: from now on an internal error is this server's own.
  void NoteSubmitted() { submitted_ = true; }

  // Counts and logs the end of the call, and says it in gRPC's terms. Call once.
  grpc::Status End(const absl::Status& status);

 private:
  const SummarizerParts& parts_;
  const std::string method_;
  const absl::Time started_;
  const absl::Time deadline_;
  MemoryBudget::Share memory_, more_memory_;
  const absl::Status allowed_;
  std::atomic<uint64_t> id_ = 0;  // 0: not in the scheduler.
  std::atomic<bool> cancelled_ = false;
  bool submitted_ = false;
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_CALL_H_
