// How requests end before their time: deadline, cancellation, a full queue, a drain.
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "tests/server/event.h"
#include "tests/server/rim/server_fixture.h"

namespace trimtab {
namespace {

using std::chrono::milliseconds;
using std::chrono::system_clock;

class ServerEndingsTest : public ServerFixture {
 protected:
  // One place in the batch and a model slow enough to be caught at work.
  void StartSlow(const std::function<void(ServerOptions&)>& change = {}) {
    ServerOptions options = Options("");
    options.device = "reference";
    options.max_new_tokens = 1024;
    options.max_batch_rows = 1;
    if (change) change(options);
    ASSERT_NO_FATAL_FAILURE(Start(options, SlowModel()));
  }

  // A call on a thread of its own.
  struct Background {
    Background(std::unique_ptr<Stub> own_stub, v1::SummarizeRequest request)
        : stub(std::move(own_stub)), thread([this, request = std::move(request)] {
            status = stub->Summarize(&context, request, &reply);
            done = true;
          }) {}
    ~Background() {
      if (!thread.joinable()) return;
      context.TryCancel();
      thread.join();
    }
    void Join() { thread.join(); }
    grpc::ClientContext context;
    std::unique_ptr<Stub> stub;
    v1::SummarizeResponse reply;
    grpc::Status status;
    std::atomic<bool> done = false;
    std::thread thread;
  };
  std::unique_ptr<Background> CallInBackground(const v1::SummarizeRequest& request) {
    return std::make_unique<Background>(NewStub(), request);
  }

  bool BecomesTrue(const std::string& series, double value) {
    return Eventually([&] { return Metric(series) == value; });
  }
  bool IsIdle() { return BecomesTrue("trimtab_requests_running", 0) && BecomesTrue("trimtab_requests_waiting", 0); }
};

TEST_F(ServerEndingsTest, ADeadlineEndsARequestAtWork) {
  ASSERT_NO_FATAL_FAILURE(StartSlow());
  grpc::ClientContext context;
  context.set_deadline(system_clock::now() + milliseconds(80));
  v1::SummarizeResponse reply;
  EXPECT_EQ(stub_->Summarize(&context, SlowRequest(), &reply).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(IsIdle());
  EXPECT_TRUE(BecomesTrue("trimtab_requests_total{code=\"DEADLINE_EXCEEDED\",method=\"Summarize\"}", 1));
}

TEST_F(ServerEndingsTest, ADeadlineEndsARequestInTheQueue) {
  ASSERT_NO_FATAL_FAILURE(StartSlow());
  const auto first = CallInBackground(SlowRequest());
  ASSERT_TRUE(BecomesTrue("trimtab_requests_running", 1));
  grpc::ClientContext context;
  context.set_deadline(system_clock::now() + milliseconds(50));
  v1::SummarizeResponse reply;
  EXPECT_EQ(stub_->Summarize(&context, SlowRequest(), &reply).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_FALSE(first->done);
  EXPECT_TRUE(BecomesTrue("trimtab_requests_waiting", 0));
}

TEST_F(ServerEndingsTest, ACallerThatLeavesFreesItsPlace) {
  ASSERT_NO_FATAL_FAILURE(StartSlow());
  auto call = CallInBackground(SlowRequest());
  ASSERT_TRUE(BecomesTrue("trimtab_requests_running", 1));
  call->context.TryCancel();
  call->Join();
  EXPECT_EQ(call->status.error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(IsIdle());
  EXPECT_TRUE(BecomesTrue("trimtab_requests_total{code=\"CANCELLED\",method=\"Summarize\"}", 1));
}

TEST_F(ServerEndingsTest, AStreamThatItsReaderLeavesFreesItsPlace) {
  ASSERT_NO_FATAL_FAILURE(StartSlow());
  grpc::ClientContext context;
  const auto reader = stub_->StreamSummarize(&context, SlowRequest());
  v1::StreamSummarizeResponse message;
  ASSERT_TRUE(reader->Read(&message));
  EXPECT_TRUE(message.has_text());
  context.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(IsIdle());
  EXPECT_TRUE(BecomesTrue("trimtab_requests_total{code=\"CANCELLED\",method=\"StreamSummarize\"}", 1));
}

TEST_F(ServerEndingsTest, AReaderThatDoesNotReadHoldsUpNobody) {
  ASSERT_NO_FATAL_FAILURE(StartSlow([](ServerOptions& options) { options.max_batch_rows = 2; }));
  grpc::ClientContext context;
  const auto reader = stub_->StreamSummarize(&context, SlowRequest());
  ASSERT_TRUE(BecomesTrue("trimtab_requests_running", 1));
  grpc::ClientContext other;
  v1::SummarizeResponse reply;
  EXPECT_TRUE(NewStub()->Summarize(&other, RequestFor("another", 0.5), &reply).ok());
  context.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(ServerEndingsTest, AFullQueueRefusesWithATimeToTryAgain) {
  ASSERT_NO_FATAL_FAILURE(StartSlow([](ServerOptions& options) { options.max_queue = 1; }));
  const auto running = CallInBackground(SlowRequest());
  ASSERT_TRUE(BecomesTrue("trimtab_requests_running", 1));
  const auto waiting = CallInBackground(SlowRequest());
  ASSERT_TRUE(BecomesTrue("trimtab_requests_waiting", 1));
  grpc::ClientContext context;
  v1::SummarizeResponse reply;
  const grpc::Status status = stub_->Summarize(&context, SlowRequest(), &reply);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  google::rpc::Status rich;
  ASSERT_TRUE(rich.ParseFromString(status.error_details()));
  bool retry_found = false;
  for (const auto& any : rich.details()) {
    google::rpc::RetryInfo retry;
    if (any.UnpackTo(&retry)) retry_found = retry.retry_delay().seconds() > 0 || retry.retry_delay().nanos() > 0;
  }
  EXPECT_TRUE(retry_found);
  EXPECT_EQ(Metric("trimtab_requests_rejected_total{reason=\"queue_full\"}"), 1);
  EXPECT_FALSE(running->done);
}

TEST_F(ServerEndingsTest, ADrainIsNotReadyButAcceptsThenRefusesThenCancels) {
  ASSERT_NO_FATAL_FAILURE(StartSlow([](ServerOptions& options) {
    options.max_batch_rows = 4;
    options.drain_accept_seconds = 1.0;
    options.drain_seconds = 0.3;
  }));
  v1::SummarizeRequest endless = SlowRequest();
  const auto long_call = CallInBackground(endless);
  ASSERT_TRUE(BecomesTrue("trimtab_requests_running", 1));
  const auto channel = NewChannel();
  ASSERT_EQ(RawCall(channel, "/grpc.health.v1.Health/Check", "").second, "\x08\x01");
  const auto stub = v1::Summarizer::NewStub(channel);

  std::thread drain([this] { server_->Drain(); });
  EXPECT_TRUE(Eventually([&] { return HttpGet(server_->metrics_address(), "/readyz").status == 503; }));
  EXPECT_EQ(HttpGet(server_->metrics_address(), "/livez").status, 200);
  EXPECT_EQ(RawCall(channel, "/grpc.health.v1.Health/Check", "").second, "\x08\x02");
  grpc::ClientContext accepted_context;
  v1::SummarizeResponse reply;
  EXPECT_TRUE(stub->Summarize(&accepted_context, RequestFor("in time", 0.5), &reply).ok());
  grpc::Status refused;
  EXPECT_TRUE(Eventually([&] {
    grpc::ClientContext context;
    refused = stub->Summarize(&context, RequestFor("too late", 0.5), &reply);
    return !refused.ok();
  }));
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::UNAVAILABLE);
  long_call->Join();
  EXPECT_EQ(long_call->status.error_code(), grpc::StatusCode::UNAVAILABLE);
  drain.join();
  server_->Drain();  // Nothing left to do.
}

TEST_F(ServerEndingsTest, ADrainLetsAcceptedRequestsFinish) {
  ASSERT_NO_FATAL_FAILURE(StartSlow([](ServerOptions& options) { options.drain_seconds = 30; }));
  v1::SummarizeRequest request = SlowRequest();
  request.mutable_options()->set_max_new_tokens(100);
  request.mutable_options()->set_min_new_tokens(100);
  auto call = CallInBackground(request);
  ASSERT_TRUE(BecomesTrue("trimtab_requests_running", 1));
  server_->Drain();
  call->Join();
  EXPECT_TRUE(call->status.ok()) << call->status.error_message();
  EXPECT_EQ(call->reply.output_tokens(), 100);
}

}  // namespace
}  // namespace trimtab
