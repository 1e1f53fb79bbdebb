#include "server/rim/fetch_call.h"

#include <algorithm>

#include "model/checksum.h"
#include "model/status_macros.h"
#include "server/rim/parameters_convert.h"
#include "server/rim/wire.h"
#include "trimtab/v1/parameters.pb.h"

namespace trimtab {

FetchCall::FetchCall(const ParametersParts& parts, const absl::Status& allowed, const grpc::ByteBuffer& request)
    : parts_(parts) {
  const absl::Status status = allowed.ok() ? Start(request) : allowed;
  if (!status.ok()) End(status);
}

absl::Status FetchCall::Start(const grpc::ByteBuffer& request) {
  v1::FetchRequest message;
  RETURN_IF_ERROR(ParseMessage(request, &message));
  ASSIGN_OR_RETURN(checkpoint_, parts_.updates->Open(message.digest()));
  places_ = PublishedTensors(*checkpoint_);
  v1::FetchResponse response;
  ASSIGN_OR_RETURN(*response.mutable_begin(), DescribeVersion(*checkpoint_));
  WriteMessage(response, &out_);
  StartWrite(&out_);
  return absl::OkStatus();
}

void FetchCall::OnWriteDone(bool ok) {
  if (!ok) return End(absl::CancelledError("the caller is gone"));
  if (place_ == places_.size()) return End(absl::OkStatus());
  const Tensor& tensor = places_[place_].In(*checkpoint_);
  const size_t size = std::min(kMaxChunkBytes, tensor.bytes.size() - offset_);
  v1::FetchResponse response;
  v1::Chunk* chunk = response.mutable_chunk();
  chunk->set_tensor(static_cast<uint32_t>(place_));
  chunk->set_offset(offset_);
  chunk->set_data(tensor.bytes.data() + offset_, size);
  chunk->set_xxh3(ChunkChecksum(place_, offset_, chunk->data()));
  offset_ += size;
  if (offset_ == tensor.bytes.size()) {
    ++place_;
    offset_ = 0;
  }
  WriteMessage(response, &out_);
  StartWrite(&out_);
}

void FetchCall::End(const absl::Status& status) { Finish(EndParametersCall(parts_, "Fetch", status)); }

}  // namespace trimtab
