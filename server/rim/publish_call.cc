#include "server/rim/publish_call.h"

#include <utility>

#include "model/field_error.h"
#include "model/status_macros.h"
#include "server/rim/parameters_convert.h"
#include "server/rim/wire.h"
#include "spdlog/spdlog.h"

namespace trimtab {

PublishCall::PublishCall(const ParametersParts& parts, const absl::Status& allowed) : parts_(parts) {
  if (allowed.ok()) {
    StartRead(&in_);
  } else {
    End(allowed);
  }
}

void PublishCall::OnReadDone(bool ok) {
  if (!ok) return End(absl::CancelledError("the stream ended before Commit; Begin again to go on"));
  v1::PublishRequest request;
  absl::Status status = ParseMessage(in_, &request);
  if (status.ok()) status = Take(request);
  if (!status.ok()) End(status);
}

// What comes next is started by the step itself.
absl::Status PublishCall::Take(const v1::PublishRequest& request) {
  if (begun_ == request.has_begin()) {
    return InvalidField("step",
                        begun_ ? "is Begin again; expected Chunk or Commit" : "is not Begin; expected it first");
  }
  switch (request.step_case()) {
    case v1::PublishRequest::kBegin:
      return Begin(request.begin());
    case v1::PublishRequest::kChunk:
      return Add(request.chunk());
    case v1::PublishRequest::kCommit:
      Commit(request.commit());
      return absl::OkStatus();
    case v1::PublishRequest::STEP_NOT_SET:
      break;
  }
  return InvalidField("step", "is not set; expected Begin, Chunk or Commit");
}

absl::Status PublishCall::Begin(const v1::Begin& begin) {
  ASSIGN_OR_RETURN(const LeaseName lease, LeaseFromProto(begin.lease()));
  ASSIGN_OR_RETURN(const Manifest manifest, ManifestFromProto(begin));
  ASSIGN_OR_RETURN(const ParameterUpdates::Begun begun, parts_.updates->Begin(manifest, lease));
  begun_ = true;
  ticket_ = begun.ticket;
  v1::PublishResponse response;
  response.mutable_begun()->set_committed(begun.committed);
  response.mutable_begun()->set_durable(begun.durable);
  response.mutable_begun()->mutable_received()->Assign(begun.received.begin(), begun.received.end());
  WriteMessage(response, &out_);
  if (begun.committed) {
    StartWriteAndFinish(&out_, grpc::WriteOptions(), EndParametersCall(parts_, "Publish", absl::OkStatus()));
  } else {
    StartWrite(&out_);
  }
  return absl::OkStatus();
}

void PublishCall::OnWriteDone(bool ok) {
  if (!ok) return End(absl::CancelledError("the publisher is gone"));
  StartRead(&in_);
}

absl::Status PublishCall::Add(const v1::Chunk& chunk) {
  RETURN_IF_ERROR(CheckChunk(chunk));
  RETURN_IF_ERROR(parts_.updates->Add(ticket_, chunk.tensor(), chunk.offset(), chunk.data(), chunk.xxh3()));
  StartRead(&in_);
  return absl::OkStatus();
}

void PublishCall::Commit(const v1::Commit& commit) {
  parts_.updates->Commit(ticket_, commit.digest(), [this](absl::StatusOr<ParameterUpdates::Outcome> outcome) {
    OnCommitted(std::move(outcome));
  });
}

void PublishCall::OnCommitted(absl::StatusOr<ParameterUpdates::Outcome> outcome) {
  if (!outcome.ok()) return End(outcome.status());
  spdlog::info("serving epoch {}, sequence {}, digest {}", outcome->version.epoch, outcome->version.sequence,
               outcome->version.digest);
  v1::PublishResponse response;
  *response.mutable_committed() = CommittedToProto(*outcome);
  WriteMessage(response, &out_);
  StartWriteAndFinish(&out_, grpc::WriteOptions(), EndParametersCall(parts_, "Publish", absl::OkStatus()));
}

void PublishCall::End(const absl::Status& status) { Finish(EndParametersCall(parts_, "Publish", status)); }

}  // namespace trimtab
