#ifndef TRIMTAB_SERVER_RIM_WATCH_CALL_H_
#define TRIMTAB_SERVER_RIM_WATCH_CALL_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "grpcpp/grpcpp.h"
#include "server/mutex.h"
#include "server/rim/parameters_service.h"
#include "trimtab/v1/parameters.pb.h"

namespace trimtab {

// One Watch stream. At most one message is on its way; of the versions that come meanwhile the last is sent next.
// Deletes itself when gRPC is done with it.
class WatchCall final : public grpc::ServerWriteReactor<v1::WatchResponse> {
 public:
  // Ends at once unless `allowed` is OK.
  WatchCall(const ParametersParts& parts, const absl::Status& allowed);

  void OnWriteDone(bool ok) override;
  void OnCancel() override { Stop(absl::CancelledError("the caller is gone")); }
  void OnDone() override;

 private:
  void Offer(const ParameterVersion& version);
  void Stop(const absl::Status& status);
  // Writes what is new, finishes, or rests. Only the thread that set pumping_, or the end of the write it started,
  // calls this.
  void Pump();

  const ParametersParts parts_;
  uint64_t watch_ = 0;  // 0: not watching.

  Mutex mutex_;
  bool pumping_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<ParameterVersion> next_ ABSL_GUARDED_BY(mutex_);
  std::optional<ParameterVersion> sent_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  v1::WatchResponse out_;  // Of the pump.
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_WATCH_CALL_H_
