#include "server/rim/parameters_service.h"

#include <optional>
#include <string>

#include "server/rim/fetch_call.h"
#include "server/rim/grpc_status.h"
#include "server/rim/parameters_convert.h"
#include "server/rim/publish_call.h"
#include "server/rim/watch_call.h"
#include "server/rim/wire.h"
#include "spdlog/spdlog.h"

namespace trimtab {

grpc::Status EndParametersCall(const ParametersParts& parts, absl::string_view method, const absl::Status& status) {
  const std::string name(method), code(CodeName(status.code()));
  parts.metrics->requests.Add({{"method", name}, {"code", code}}).Increment();
  if (status.ok() || absl::IsCancelled(status)) {
    spdlog::debug("{} {}", name, code);
  } else {
    spdlog::warn("{} {}: {}", name, code, std::string(status.message()));
  }
  return ToGrpc(status);
}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* ParametersService::Publish(
    grpc::CallbackServerContext* context) {
  return new PublishCall(parts_, Authorize(parts_.tokens, *context, Role::kPublish));
}

grpc::ServerUnaryReactor* ParametersService::ListVersions(grpc::CallbackServerContext* context,
                                                          const v1::ListVersionsRequest*,
                                                          v1::ListVersionsResponse* response) {
  const absl::Status allowed = Authorize(parts_.tokens, *context, Role::kPublish);
  if (allowed.ok()) HeldToProto(parts_.updates->List(), response);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(EndParametersCall(parts_, "ListVersions", allowed));
  return reactor;
}

grpc::ServerUnaryReactor* ParametersService::Activate(grpc::CallbackServerContext* context,
                                                      const grpc::ByteBuffer* request, grpc::ByteBuffer* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const auto done = [this, reactor, response](absl::StatusOr<ParameterUpdates::Outcome> outcome) {
    if (outcome.ok()) {
      v1::ActivateResponse message;
      v1::Committed committed = CommittedToProto(*outcome);
      message.mutable_version()->Swap(committed.mutable_version());
      message.set_durable(committed.durable());
      WriteMessage(message, response);
      spdlog::info("serving epoch {}, sequence {}, digest {} by order of an administrator", outcome->version.epoch,
                   outcome->version.sequence, outcome->version.digest);
    }
    reactor->Finish(EndParametersCall(parts_, "Activate", outcome.status()));
  };
  v1::ActivateRequest message;
  absl::Status status = Authorize(parts_.tokens, *context, Role::kAdmin);
  if (status.ok()) status = ParseMessage(*request, &message);
  if (status.ok()) status = CheckActivate(message);
  if (!status.ok()) {
    done(status);
    return reactor;
  }
  const std::optional<uint64_t> sequence =
      message.has_sequence() ? std::optional<uint64_t>(message.sequence()) : std::nullopt;
  parts_.updates->Activate(message.digest(), sequence, done);
  return reactor;
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* ParametersService::Fetch(grpc::CallbackServerContext* context,
                                                                     const grpc::ByteBuffer* request) {
  return new FetchCall(parts_, Authorize(parts_.tokens, *context, Role::kPublish), *request);
}

grpc::ServerWriteReactor<v1::WatchResponse>* ParametersService::Watch(grpc::CallbackServerContext* context,
                                                                      const v1::WatchRequest*) {
  return new WatchCall(parts_, Authorize(parts_.tokens, *context, Role::kPublish));
}

}  // namespace trimtab
