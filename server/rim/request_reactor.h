#ifndef TRIMTAB_SERVER_RIM_REQUEST_REACTOR_H_
#define TRIMTAB_SERVER_RIM_REQUEST_REACTOR_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "grpcpp/grpcpp.h"
#include "server/read_gate.h"
#include "server/rim/call.h"
#include "server/rim/summarizer_service.h"

namespace trimtab {

// A call with one request, which is read when there is memory for it. gRPC reads the request of a method that takes one
// before it tells anybody of the call, however many come at once; so ours are registered as methods that take a
// stream of them, which on the wire is the same. What is not read yet stays with its sender, by the flow control of
// HTTP/2, but for a small window. Deletes itself when gRPC is done with it.
class RequestReactor : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>, private ReadGate::Reader {
 public:
  void OnReadDone(bool ok) final;
  void OnDone() final { delete this; }

 protected:
  RequestReactor(const SummarizerParts& parts, absl::string_view method, const grpc::CallbackServerContext& context)
      : call_(parts, method, context), gate_(parts.gate), context_(context) {}

  // To be called when all is constructed.
  void Begin();

  // Called once: with the request, or with why there is none and the call is to end.
  virtual void OnRequest(absl::StatusOr<const grpc::ByteBuffer*> request) = 0;

  Call call_;

 private:
  void StartReading() override { StartRead(&request_); }
  void GiveUp() override;

  ReadGate* const gate_;
  const grpc::CallbackServerContext& context_;
  grpc::ByteBuffer request_;
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_REQUEST_REACTOR_H_
