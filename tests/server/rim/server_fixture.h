// A server over a tiny checkpoint on a free port, and ways to call it.
#ifndef TRIMTAB_TESTS_SERVER_RIM_SERVER_FIXTURE_H_
#define TRIMTAB_TESTS_SERVER_RIM_SERVER_FIXTURE_H_

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "server/rim/server.h"
#include "tests/testing/tiny_checkpoint.h"
#include "trimtab/v1/summarizer.grpc.pb.h"

namespace trimtab {

using Stub = v1::Summarizer::Stub;

struct HttpReply {
  int status = 0;
  std::string type;
  std::string body;
};
HttpReply HttpGet(const std::string& address, const std::string& path);

// One call with a raw request, whatever the method: status and raw reply.
std::pair<grpc::Status, std::string> RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                                             const std::string& request);

struct StreamedReply {
  grpc::Status status;
  int pieces = 0;
  std::string text;  // All pieces.
  v1::SummarizeResponse result;
};
StreamedReply StreamSummarize(Stub& stub, const v1::SummarizeRequest& request);

struct ExploredReply {
  grpc::Status status;
  int messages = 0;
  v1::ExploreAccepted accepted;
  std::map<int, v1::ExplorePoint> points;  // By index.
  v1::ExploreFront front;
};
// Expects the order of messages that the contract promises.
ExploredReply Explore(Stub& stub, const v1::ExploreRequest& request);
ExploredReply Explore(Stub& stub, const v1::ExploreRequest& request, grpc::ClientContext& context);

// An exploration with weights (i / divisions, rest) of a two-reward checkpoint.
v1::ExploreRequest GridRequest(const std::string& article, int divisions);

// A request with weights (first, 1 - first) of a two-reward checkpoint.
v1::SummarizeRequest RequestFor(const std::string& article, double first);

// The field a BadRequest names; empty without one.
std::string FieldAtFault(const grpc::Status& status);

class ServerFixture : public testing::Test {
 protected:
  // Free ports, no time lost in a drain, one compute thread.
  static ServerOptions Options(const std::string& model);
  // Wide and deep enough that 1,024 tokens take some seconds at most and far more than 100 ms at least.
  static TinyOptions SlowModel();
  static v1::SummarizeRequest SlowRequest();  // For 1,024 tokens.

  // Starts server_ on a checkpoint made from `tiny`. REQUIRES: called once, or after Stop().
  void Start(ServerOptions options, const TinyOptions& tiny = {});
  void Stop() { server_.reset(); }

  // A stub on a connection of its own.
  std::unique_ptr<Stub> NewStub() const;
  std::shared_ptr<grpc::Channel> NewChannel() const;
  // The value of one line of /metrics: "trimtab_requests_running"; -1 when there is none.
  double Metric(const std::string& series) const;

  TempDir model_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Stub> stub_;
};

}  // namespace trimtab

#endif  // TRIMTAB_TESTS_SERVER_RIM_SERVER_FIXTURE_H_
