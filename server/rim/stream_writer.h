#ifndef TRIMTAB_SERVER_RIM_STREAM_WRITER_H_
#define TRIMTAB_SERVER_RIM_STREAM_WRITER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "grpcpp/grpcpp.h"
#include "model/tokenizer.h"
#include "server/mutex.h"
#include "server/rim/request_reactor.h"
#include "server/scheduler.h"
#include "trimtab/v1/summarizer.pb.h"

namespace trimtab {

// One StreamSummarize call. At most one message is on its way; the tokens that arrive meanwhile wait as ids (at most
// max_new_tokens of them) and leave together in the next message, so a slow reader costs memory for one summary and
// never holds up the engine.
class StreamWriter final : public RequestReactor {
 public:
  StreamWriter(const SummarizerParts& parts, const grpc::CallbackServerContext& context);

  void OnWriteDone(bool ok) override;
  void OnCancel() override { call_.Cancel(); }

 private:
  void OnRequest(absl::StatusOr<const grpc::ByteBuffer*> request) override;
  void OnToken(int32_t token);
  void OnEnd(absl::StatusOr<SummaryResult> result);

  // Starts the next write, or rests. Only the thread that set pumping_, or the end of the write it started, calls
  // these: between the two nobody else touches what is not guarded.
  void Pump();
  bool Take();             // False: nothing to do, the pump rests.
  std::string NextText();  // Of what was taken; maybe empty.
  void FinishCall();       // REQUIRES: result_ is set.

  const Tokenizer* const tokenizer_;

  Mutex mutex_;
  std::vector<int32_t> waiting_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::StatusOr<SummaryResult>> end_ ABSL_GUARDED_BY(mutex_);
  bool pumping_ ABSL_GUARDED_BY(mutex_) = false;

  // Of the pump.
  std::vector<int32_t> taken_;
  std::optional<absl::StatusOr<SummaryResult>> result_;
  StreamingDecoder decoder_;
  int32_t streamed_ = 0;         // Tokens given to decoder_.
  bool flushed_ = false;         // decoder_ has given all it held back.
  bool broken_ = false;          // A write failed: the caller is gone.
  grpc::ByteBuffer bytes_;       // On its way.
  v1::SummarizeResponse reply_;  // Written by Submit before the first token arrives.
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_STREAM_WRITER_H_
