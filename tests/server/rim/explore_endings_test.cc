// Explorations beside other callers, and how they end before their time.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
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

class ExploreEndingsTest : public ServerFixture {
 protected:
  // A model slow enough to be caught at work.
  void StartSlow(int rows, int queue = 256) {
    ServerOptions options = Options("");
    options.device = "reference";
    options.max_new_tokens = 1024;
    options.max_batch_rows = rows;
    options.max_queue = queue;
    ASSERT_NO_FATAL_FAILURE(Start(options, SlowModel()));
  }

  static v1::ExploreRequest SlowExploration(int divisions) {
    v1::ExploreRequest request = GridRequest("a slow article", divisions);
    *request.mutable_options() = SlowRequest().options();
    return request;
  }

  // An exploration on a thread of its own.
  struct Background {
    Background(std::unique_ptr<Stub> own_stub, v1::ExploreRequest request)
        : stub(std::move(own_stub)), thread([this, request = std::move(request)] {
            reply = Explore(*stub, request, context);
            done = true;
          }) {}
    ~Background() {
      context.TryCancel();
      thread.join();
    }
    grpc::ClientContext context;
    std::unique_ptr<Stub> stub;
    ExploredReply reply;
    std::atomic<bool> done = false;
    std::thread thread;
  };
  std::unique_ptr<Background> InBackground(const v1::ExploreRequest& request) {
    return std::make_unique<Background>(NewStub(), request);
  }

  bool BecomesTrue(const std::string& series, double value) {
    return Eventually([&] { return Metric(series) == value; });
  }
  bool IsIdle() { return BecomesTrue("trimtab_requests_running", 0) && BecomesTrue("trimtab_requests_waiting", 0); }
};

TEST_F(ExploreEndingsTest, ACallerThatLeavesFreesAllPlaces) {
  ASSERT_NO_FATAL_FAILURE(StartSlow(/*rows=*/4));
  const auto call = InBackground(SlowExploration(20));
  ASSERT_TRUE(BecomesTrue("trimtab_requests_running", 4));
  EXPECT_EQ(Metric("trimtab_requests_waiting"), 0) << "no more of one call than fits the batch";
  call->context.TryCancel();
  ASSERT_TRUE(Eventually([&] { return call->done.load(); }));
  EXPECT_EQ(call->reply.status.error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(IsIdle());
  EXPECT_TRUE(BecomesTrue("trimtab_requests_total{code=\"CANCELLED\",method=\"Explore\"}", 1));
}

TEST_F(ExploreEndingsTest, ADeadlineEndsAllPoints) {
  ASSERT_NO_FATAL_FAILURE(StartSlow(/*rows=*/4));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(80));
  EXPECT_EQ(Explore(*stub_, SlowExploration(20), context).status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(IsIdle());
  EXPECT_TRUE(BecomesTrue("trimtab_requests_total{code=\"DEADLINE_EXCEEDED\",method=\"Explore\"}", 1));
}

TEST_F(ExploreEndingsTest, ADrainEndsItUnavailable) {
  ASSERT_NO_FATAL_FAILURE(StartSlow(/*rows=*/2));
  const auto call = InBackground(SlowExploration(20));
  ASSERT_TRUE(BecomesTrue("trimtab_requests_running", 2));
  server_->Drain();
  ASSERT_TRUE(Eventually([&] { return call->done.load(); }));
  EXPECT_EQ(call->reply.status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ExploreEndingsTest, AFullQueueRefusesTheFirstPointWithATimeToTryAgain) {
  ASSERT_NO_FATAL_FAILURE(StartSlow(/*rows=*/1, /*queue=*/1));
  const auto running = InBackground(SlowExploration(1));
  ASSERT_TRUE(BecomesTrue("trimtab_requests_running", 1));
  const auto waiting = InBackground(SlowExploration(1));
  ASSERT_TRUE(BecomesTrue("trimtab_requests_waiting", 1));
  const ExploredReply reply = Explore(*stub_, SlowExploration(3));
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(reply.messages, 0);
  google::rpc::Status rich;
  ASSERT_TRUE(rich.ParseFromString(reply.status.error_details()));
  EXPECT_TRUE(std::any_of(rich.details().begin(), rich.details().end(),
                          [](const auto& detail) { return detail.template Is<google::rpc::RetryInfo>(); }));
}

TEST_F(ExploreEndingsTest, TheLargestOneIsFinishedOnAQueueOfEightAndLeavesRoomForOthers) {
  ServerOptions options = Options("");
  options.max_queue = 8;
  ASSERT_NO_FATAL_FAILURE(Start(options));
  v1::ExploreRequest request = GridRequest("one article at many weightings", 63);
  for (const double alpha : {0.1, 0.2, 0.4, 0.8}) request.mutable_grid()->add_alphas(alpha);
  const auto call = InBackground(request);
  ASSERT_TRUE(Eventually([&] { return Metric("trimtab_explore_points_total") > 0; }));
  EXPECT_FALSE(call->done) << "nobody came while it ran: the test shows nothing";
  do {
    grpc::ClientContext context;
    v1::SummarizeResponse reply;
    const grpc::Status status = stub_->Summarize(&context, RequestFor("another article", 0.5), &reply);
    ASSERT_TRUE(status.ok()) << status.error_message();
  } while (!call->done);
  EXPECT_TRUE(call->reply.status.ok()) << call->reply.status.error_message();
  EXPECT_EQ(call->reply.points.size(), 256u);
  EXPECT_EQ(Metric("trimtab_requests_rejected_total{reason=\"queue_full\"}"), 0);
}

TEST_F(ExploreEndingsTest, APointThatFindsTheQueueFullIsTriedAgain) {
  ServerOptions options = Options("");
  options.max_queue = 1;
  options.max_batch_rows = 1;
  ASSERT_NO_FATAL_FAILURE(Start(options));
  std::atomic<bool> stop = false;
  std::vector<std::thread> others;
  for (int i = 0; i < 3; ++i) {
    others.emplace_back([&] {
      const auto stub = NewStub();
      while (!stop) {
        grpc::ClientContext context;
        v1::SummarizeResponse reply;
        stub->Summarize(&context, RequestFor("an article that is in the way", 0.5), &reply);
      }
    });
  }
  ExploredReply reply;
  EXPECT_TRUE(Eventually([&] {
    reply = Explore(*stub_, GridRequest("an article that must wait", 7));
    EXPECT_TRUE(reply.status.ok() || reply.messages == 0) << "refused in the middle: " << reply.status.error_message();
    return reply.status.ok() || reply.messages > 0;
  }));
  EXPECT_EQ(reply.points.size(), 8u);
  stop = true;
  for (std::thread& thread : others) thread.join();
}

TEST_F(ExploreEndingsTest, APointThatGivesItsPlaceToAnotherIsTriedAgain) {
  const auto at = [](double first) {
    v1::ExploreRequest request = SlowExploration(1);
    v1::Steering& steering = *request.mutable_list()->add_steerings();
    steering.add_weights(first);
    steering.add_weights(1.0 - first);
    return request;
  };
  ASSERT_NO_FATAL_FAILURE(StartSlow(/*rows=*/1, /*queue=*/2));
  const auto running = InBackground(at(1.0));
  ASSERT_TRUE(BecomesTrue("trimtab_requests_running", 1));
  const auto waiting = InBackground(at(1.0));
  ASSERT_TRUE(BecomesTrue("trimtab_requests_waiting", 1));
  v1::ExploreRequest short_one = at(1.0);
  short_one.mutable_options()->set_min_new_tokens(0);
  short_one.mutable_options()->set_max_new_tokens(1);
  const auto explored = InBackground(short_one);
  ASSERT_TRUE(BecomesTrue("trimtab_requests_waiting", 2));
  const auto newcomer = InBackground(at(0.0));  // Takes the place of the youngest of the lane that waits most.
  ASSERT_TRUE(BecomesTrue("trimtab_requests_rejected_total{reason=\"displaced\"}", 1));
  for (const auto* call : {&running, &waiting, &newcomer}) (*call)->context.TryCancel();
  EXPECT_TRUE(Eventually([&] { return explored->done.load(); }));
  EXPECT_TRUE(explored->reply.status.ok()) << explored->reply.status.error_message();
  EXPECT_EQ(explored->reply.points.size(), 1u);
}

TEST_F(ExploreEndingsTest, AReaderThatDoesNotReadHoldsUpNobody) {
  ASSERT_NO_FATAL_FAILURE(Start(Options("")));
  v1::ExploreRequest request = GridRequest("one article at many weightings", 63);
  request.mutable_options()->set_log_probs(true);
  grpc::ClientContext context;
  const auto reader = stub_->Explore(&context, request);
  for (int i = 0; i < 20; ++i) {
    grpc::ClientContext other;
    v1::SummarizeResponse reply;
    ASSERT_TRUE(NewStub()->Summarize(&other, RequestFor("another", 0.5), &reply).ok());
  }
  int messages = 0;
  for (v1::ExploreResponse message; reader->Read(&message);) ++messages;
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(messages, 66);
}

}  // namespace
}  // namespace trimtab
