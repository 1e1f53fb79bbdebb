#ifndef TRIMTAB_SERVER_RIM_EXPLORE_CALL_H_
#define TRIMTAB_SERVER_RIM_EXPLORE_CALL_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/alarm.h"
#include "grpcpp/grpcpp.h"
#include "server/mailbox.h"
#include "server/rim/explore_plan.h"
#include "server/rim/request_reactor.h"
#include "server/scheduler.h"
#include "trimtab/v1/summarizer.pb.h"

namespace trimtab {

// One Explore call. Keeps a bounded number of its points in the scheduler and submits the next ones as they end, all
// that it can at one moment, so that the paths of all are planned together. Points are decoded and scored on gRPC's
// threads; the engine thread only leaves results here and never waits. Where a reader is behind, nothing more is
// submitted: it costs memory for about twice that number.
class ExploreCall final : public RequestReactor {
 public:
  ExploreCall(const SummarizerParts& parts, const grpc::CallbackServerContext& context);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;

 private:
  void OnRequest(absl::StatusOr<const grpc::ByteBuffer*> request) override;

  struct Point {
    uint64_t id = 0;        // In the scheduler; 0: not there.
    EncoderInputIds input;  // From its first try to be submitted to its end.
    v1::SummarizeResponse reply;
    std::vector<double> objectives;  // Its scores in the order of plan_.objectives.
  };

  struct News {
    std::optional<size_t> point;  // That has ended; none: the call was cancelled.
    absl::StatusOr<SummaryResult> result;
  };

  absl::Status Prepare(const grpc::ByteBuffer& request);

  void Tell(News news);        // From any thread; wakes the pump where it rests.
  void Wake(gpr_timespec at);  // Runs the pump on a thread of gRPC.

  // Moves everything on that can be: takes results, submits, writes, finishes. One thread at a time: who woke it, the
  // end of the write it started, or the alarm it set.
  void Pump();

  void TakeNews();
  absl::Status Settle(size_t index, absl::StatusOr<SummaryResult> result);
  absl::Status Score(Point& point, v1::ExplorePoint* message);
  void CancelPoints();
  absl::Status Feed();
  absl::StatusOr<Scheduler::Submission> SubmissionOf(size_t index);
  absl::Status Read(absl::string_view prefix);  // Tokenizes the article unless it is what input_ holds.
  bool StartNextWrite();                        // False: nothing to write.
  void FinishWithFront();

  const SummarizerParts& parts_;

  Mailbox<News> news_;  // To the pump, which counts as working from the constructor on.

  // Of the pump.
  ExplorePlan plan_;
  std::vector<Point> points_;
  std::deque<size_t> to_submit_;  // Points, in their order.
  size_t in_flight_ = 0;          // Points in the scheduler.
  size_t ended_ = 0;
  absl::Status status_;    // The first failure: the call ends with it when no point is in the scheduler.
  bool accepted_ = false;  // The first message is written.
  std::deque<v1::ExploreResponse> to_write_;
  std::string prefix_;  // Of the prompt that input_ was made from.
  EncoderInputIds input_;
  grpc::ByteBuffer bytes_;  // On its way.
  std::unique_ptr<grpc::Alarm> alarm_;
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_EXPLORE_CALL_H_
