#include "server/rim/stream_writer.h"

#include <span>
#include <string>
#include <utility>

#include "server/rim/wire.h"

namespace trimtab {

StreamWriter::StreamWriter(const SummarizerParts& parts, const grpc::CallbackServerContext& context)
    : RequestReactor(parts, "StreamSummarize", context), tokenizer_(parts.tokenizer), decoder_(parts.tokenizer) {
  Begin();
}

void StreamWriter::OnRequest(absl::StatusOr<const grpc::ByteBuffer*> request) {
  if (!request.ok()) return OnEnd(request.status());
  call_.Submit(**request, &reply_,
               {.on_token = [this](int32_t token) { OnToken(token); },
                .on_done = [this](absl::StatusOr<SummaryResult> result) { OnEnd(std::move(result)); }});
}

void StreamWriter::OnToken(int32_t token) {
  {
    MutexLock lock(mutex_);
    waiting_.push_back(token);
    if (std::exchange(pumping_, true)) return;
  }
  Pump();
}

void StreamWriter::OnEnd(absl::StatusOr<SummaryResult> result) {
  {
    MutexLock lock(mutex_);
    end_ = std::move(result);
    if (std::exchange(pumping_, true)) return;
  }
  Pump();
}

void StreamWriter::OnWriteDone(bool ok) {
  if (!ok && !std::exchange(broken_, true)) call_.Cancel();
  Pump();
}

void StreamWriter::Pump() {
  while (Take()) {
    std::string text = NextText();
    if (!text.empty() && !broken_) {
      v1::StreamSummarizeResponse message;
      message.set_text(std::move(text));
      WriteMessage(message, &bytes_);
      StartWrite(&bytes_);
      return;
    }
    if (result_.has_value()) return FinishCall();
  }
}

bool StreamWriter::Take() {
  MutexLock lock(mutex_);
  taken_.clear();
  taken_.swap(waiting_);
  if (end_.has_value()) result_ = std::exchange(end_, std::nullopt);
  pumping_ = !taken_.empty() || result_.has_value();
  return pumping_;
}

std::string StreamWriter::NextText() {
  if (broken_ || (result_.has_value() && !result_->ok())) return "";
  std::string text;
  for (const int32_t token : taken_) text += decoder_.Push(token);
  streamed_ += static_cast<int32_t>(taken_.size());
  if (result_.has_value() && !std::exchange(flushed_, true)) {
    // Beams speak at the end.
    const std::span<const int32_t> all = (*result_)->generation.tokens;
    for (const int32_t token : all.subspan(streamed_)) text += decoder_.Push(token);
    text += decoder_.Finish();
  }
  return text;
}

void StreamWriter::FinishCall() {
  absl::Status status = result_->status();
  if (status.ok() && broken_) status = absl::CancelledError("the caller is gone");
  if (!status.ok()) return Finish(call_.End(status));
  Complete(*tokenizer_, **result_, &reply_);
  v1::StreamSummarizeResponse message;
  *message.mutable_result() = std::move(reply_);
  WriteMessage(message, &bytes_);
  StartWriteAndFinish(&bytes_, grpc::WriteOptions(), call_.End(absl::OkStatus()));
}

}  // namespace trimtab
