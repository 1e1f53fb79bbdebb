#include "tests/server/rim/server_fixture.h"

#include <httplib.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/generic/generic_stub.h"
#include "tests/server/event.h"
#include "tests/testing/devices.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {

HttpReply HttpGet(const std::string& address, const std::string& path) {
  httplib::Client client("http://" + address);
  const httplib::Result result = client.Get(path);
  if (!result) return {};
  return {result->status, result->get_header_value("Content-Type"), result->body};
}

std::pair<grpc::Status, std::string> RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                                             const std::string& request) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  const grpc::Slice slice(request);
  const grpc::ByteBuffer sent(&slice, 1);
  grpc::ByteBuffer received;
  grpc::Status status;
  Event done;
  stub.UnaryCall(&context, method, grpc::StubOptions(), &sent, &received, [&](grpc::Status s) {
    status = std::move(s);
    done.Set();
  });
  done.Wait();
  grpc::Slice reply;
  if (!status.ok() || !received.DumpToSingleSlice(&reply).ok()) return {status, ""};
  return {status, std::string(reinterpret_cast<const char*>(reply.begin()), reply.size())};
}

StreamedReply StreamSummarize(Stub& stub, const v1::SummarizeRequest& request) {
  StreamedReply reply;
  grpc::ClientContext context;
  const auto reader = stub.StreamSummarize(&context, request);
  for (v1::StreamSummarizeResponse message; reader->Read(&message);) {
    if (message.has_text()) {
      ++reply.pieces;
      EXPECT_FALSE(message.text().empty());
      EXPECT_FALSE(reply.result.has_parameter_version()) << "text after the result";
      reply.text += message.text();
    } else {
      reply.result = message.result();
    }
  }
  reply.status = reader->Finish();
  return reply;
}

ExploredReply Explore(Stub& stub, const v1::ExploreRequest& request) {
  grpc::ClientContext context;
  return Explore(stub, request, context);
}

ExploredReply Explore(Stub& stub, const v1::ExploreRequest& request, grpc::ClientContext& context) {
  ExploredReply reply;
  const auto reader = stub.Explore(&context, request);
  for (v1::ExploreResponse message; reader->Read(&message); ++reply.messages) {
    EXPECT_EQ(message.has_accepted(), reply.messages == 0) << "accepted comes first";
    if (message.has_accepted()) reply.accepted = message.accepted();
    if (message.has_point()) {
      EXPECT_TRUE(reply.points.emplace(message.point().index(), message.point()).second) << "a point came twice";
    }
    if (!message.has_front()) continue;
    EXPECT_EQ(reply.points.size(), static_cast<size_t>(reply.accepted.weightings_size())) << "front comes last";
    reply.front = message.front();
  }
  reply.status = reader->Finish();
  return reply;
}

v1::ExploreRequest GridRequest(const std::string& article, int divisions) {
  v1::ExploreRequest request;
  request.set_article(article);
  request.mutable_grid()->set_divisions(divisions);
  request.mutable_options()->set_max_new_tokens(12);
  return request;
}

v1::SummarizeRequest RequestFor(const std::string& article, double first) {
  v1::SummarizeRequest request;
  request.set_article(article);
  request.mutable_steering()->add_weights(first);
  request.mutable_steering()->add_weights(1.0 - first);
  request.mutable_options()->set_max_new_tokens(12);
  return request;
}

std::string FieldAtFault(const grpc::Status& status) {
  google::rpc::Status rich;
  EXPECT_TRUE(rich.ParseFromString(status.error_details()));
  for (const auto& any : rich.details()) {
    google::rpc::BadRequest bad_request;
    if (any.UnpackTo(&bad_request) && bad_request.field_violations_size() > 0) {
      return bad_request.field_violations(0).field();
    }
  }
  return "";
}

ServerOptions ServerFixture::Options(const std::string& model) {
  ServerOptions options;
  options.model = model;
  options.listen = "127.0.0.1:0";
  options.metrics_listen = "127.0.0.1:0";
  options.device = TestDevice();
  options.threads = 1;
  options.drain_accept_seconds = 0;
  options.drain_seconds = 0;
  return options;
}

TinyOptions ServerFixture::SlowModel() {
  TinyOptions tiny;
  tiny.d_model = 128;
  tiny.d_kv = 32;
  tiny.num_heads = 4;
  tiny.d_ff = 512;
  tiny.decoder_layers = 4;
  return tiny;
}

v1::SummarizeRequest ServerFixture::SlowRequest() {
  v1::SummarizeRequest request = RequestFor("a slow article", 0.5);
  request.mutable_options()->set_max_new_tokens(1024);
  request.mutable_options()->set_min_new_tokens(1024);
  request.mutable_options()->set_temperature(10.0f);  // Any token, so that text comes out soon.
  return request;
}

void ServerFixture::Start(ServerOptions options, const TinyOptions& tiny) {
  if (options.model.empty()) {
    options.model = model_.File("checkpoint");
    ASSERT_OK(MakeTinyClp(options.model, tiny));
  }
  ASSERT_OK_AND_ASSIGN(server_, Server::Start(options));
  stub_ = NewStub();
}

std::shared_ptr<grpc::Channel> ServerFixture::NewChannel() const {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(server_->grpc_address(), grpc::InsecureChannelCredentials(), arguments);
}

std::unique_ptr<Stub> ServerFixture::NewStub() const { return v1::Summarizer::NewStub(NewChannel()); }

double ServerFixture::Metric(const std::string& series) const {
  const std::string body = HttpGet(server_->metrics_address(), "/metrics").body;
  for (const absl::string_view line : absl::StrSplit(body, '\n')) {
    double value = 0.0;
    if (line.size() > series.size() && line.substr(0, series.size()) == absl::string_view(series) &&
        line[series.size()] == ' ' && absl::SimpleAtod(line.substr(series.size() + 1), &value)) {
      return value;
    }
  }
  return -1;
}

}  // namespace trimtab
