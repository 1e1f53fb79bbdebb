#include "client/parameters_client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/rich_status.h"
#include "model/checksum.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

constexpr size_t kChunkBytes = 1 << 20;
constexpr int kMaxReceiveBytes = 16 << 20;  // A manifest names up to 65,536 tensors.

std::shared_ptr<grpc::Channel> Connect(const std::string& endpoint, const TlsOptions& tls) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);        // A half-open connection shows within a lease.
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5'000);  // A server that was away is found soon.
  return NewChannel(endpoint, tls, arguments);
}

bool MayTryAgain(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::DATA_LOSS:
      return true;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return RetryDelayOf(status).has_value();
    case grpc::StatusCode::FAILED_PRECONDITION:
      return ErrorReasonOf(status) == "NOT_BEGUN";  // The lease lapsed meanwhile.
    default:
      return false;
  }
}

}  // namespace

ParametersClient::ParametersClient(const std::string& endpoint, const ParametersClientOptions& options)
    : options_(options), stub_(v1::Parameters::NewStub(Connect(endpoint, options.tls))) {}

void ParametersClient::Prepare(grpc::ClientContext& context, absl::Time deadline) const {
  context.set_deadline(absl::ToChronoTime(deadline));
  if (!options_.token.empty()) context.AddMetadata("authorization", absl::StrCat("Bearer ", options_.token));
}

absl::StatusOr<v1::ListVersionsResponse> ParametersClient::ListVersions() const {
  grpc::ClientContext context;
  Prepare(context, absl::Now() + options_.call_timeout);
  v1::ListVersionsResponse response;
  RETURN_IF_ERROR(Told(stub_->ListVersions(&context, {}, &response)));
  return response;
}

absl::StatusOr<v1::ActivateResponse> ParametersClient::Activate(const v1::ActivateRequest& request) const {
  grpc::ClientContext context;
  Prepare(context, absl::Now() + options_.call_timeout);
  v1::ActivateResponse response;
  RETURN_IF_ERROR(Told(stub_->Activate(&context, request, &response)));
  return response;
}

grpc::Status ParametersClient::PushOnce(const v1::Begin& begin, const SendChunks& send, absl::Time deadline,
                                        PushResult* result) const {
  grpc::ClientContext context;
  Prepare(context, deadline);
  const std::unique_ptr<Stream> stream = stub_->Publish(&context);
  v1::PublishRequest request;
  *request.mutable_begin() = begin;
  v1::PublishResponse response;
  if (!stream->Write(request) || !stream->Read(&response)) return stream->Finish();
  if (response.begun().committed()) {
    result->version = begin.version();
    result->durable = response.begun().durable();
    stream->WritesDone();
    return stream->Finish();
  }
  request.mutable_commit()->set_digest(begin.version().digest());
  if (send(*stream, response.begun(), &result->bytes_sent)) {
    stream->WriteLast(request, grpc::WriteOptions());
  } else {
    stream->WritesDone();  // What was to be sent broke off: the server ends the stream and keeps what it has.
  }
  while (stream->Read(&response)) {
    result->version = response.committed().version();
    result->durable = response.committed().durable();
  }
  return stream->Finish();
}

absl::StatusOr<PushResult> ParametersClient::PushUntilDone(const v1::Begin& begin, const SendChunks& send) const {
  const absl::Time deadline = absl::Now() + options_.push_timeout;
  absl::Duration backoff = options_.initial_backoff;
  PushResult result;
  while (true) {
    const grpc::Status status = PushOnce(begin, send, deadline, &result);
    if (status.ok()) return result;
    if (!MayTryAgain(status) || result.attempts >= options_.max_attempts || absl::Now() + backoff >= deadline) {
      return Told(status);
    }
    absl::SleepFor(std::max(backoff, RetryDelayOf(status).value_or(backoff)));
    backoff *= 2;
    ++result.attempts;
  }
}

absl::StatusOr<PushResult> ParametersClient::Push(v1::Begin begin, const Publication& publication) const {
  begin.mutable_tensors()->Assign(publication.manifest.begin(), publication.manifest.end());
  return PushUntilDone(begin, [&](Stream& stream, const v1::Begun& begun, int64_t* bytes_sent) {
    v1::PublishRequest request;
    for (size_t tensor = 0; tensor < publication.bytes.size(); ++tensor) {
      const absl::string_view bytes = publication.bytes[tensor];
      for (size_t offset = begun.received(static_cast<int>(tensor)); offset < bytes.size();) {
        const absl::string_view piece = bytes.substr(offset, kChunkBytes);
        v1::Chunk* chunk = request.mutable_chunk();
        chunk->set_tensor(static_cast<uint32_t>(tensor));
        chunk->set_offset(offset);
        chunk->set_data(piece.data(), piece.size());
        chunk->set_xxh3(ChunkChecksum(tensor, offset, piece));
        if (!stream.Write(request)) return false;
        *bytes_sent += static_cast<int64_t>(piece.size());
        offset += piece.size();
      }
    }
    return true;
  });
}

absl::StatusOr<PushResult> ParametersClient::CatchUp(const ParametersClient& peer, std::string digest) const {
  ASSIGN_OR_RETURN(const v1::ListVersionsResponse there, peer.ListVersions());
  ASSIGN_OR_RETURN(const v1::ListVersionsResponse here, ListVersions());
  if (digest.empty()) digest = there.active().digest();
  if (here.active().digest() == digest) return PushResult{.version = here.active()};
  v1::FetchRequest request;
  request.set_digest(digest);

  // Each attempt reads the version from its start and passes on what is missing here.
  const auto fetch = [&](grpc::ClientContext& context, v1::FetchResponse* first) {
    peer.Prepare(context, absl::Now() + options_.push_timeout);
    auto reader = peer.stub_->Fetch(&context, request);
    return reader->Read(first) && first->has_begin() ? std::move(reader) : nullptr;
  };
  v1::FetchResponse first;
  {
    grpc::ClientContext context;
    if (fetch(context, &first) == nullptr) {
      return absl::UnavailableError(absl::StrCat("the peer does not send version ", digest));
    }
    context.TryCancel();
  }
  v1::Begin begin = first.begin();
  begin.set_expected_parent(here.active().digest());
  *begin.mutable_lease() = there.lease();
  return PushUntilDone(begin, [&](Stream& stream, const v1::Begun& begun, int64_t* bytes_sent) {
    grpc::ClientContext context;
    v1::FetchResponse response;
    const auto reader = fetch(context, &response);
    if (reader == nullptr) return false;
    v1::PublishRequest passed_on;
    while (reader->Read(&response)) {
      v1::Chunk* chunk = response.mutable_chunk();
      const auto tensor = static_cast<int>(chunk->tensor());
      if (tensor < begun.received_size() && chunk->offset() < begun.received(tensor)) continue;
      *bytes_sent += static_cast<int64_t>(chunk->data().size());
      passed_on.mutable_chunk()->Swap(chunk);
      if (!stream.Write(passed_on)) return false;
    }
    return reader->Finish().ok();
  });
}

}  // namespace trimtab
