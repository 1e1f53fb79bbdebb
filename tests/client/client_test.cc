#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "client/summarizer_client.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "model/field_error.h"
#include "tests/testing/status_matchers.h"
#include "trimtab/v1/summarizer.grpc.pb.h"

namespace trimtab {
namespace {

grpc::Status Full(absl::Duration retry_delay) {
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(retry_delay)));
  google::rpc::Status rich;
  rich.add_details()->PackFrom(retry);
  return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "full", rich.SerializeAsString());
}

// Answers with the failures it was given, one a call, and then well.
class Scripted final : public v1::Summarizer::Service {
 public:
  grpc::Status Summarize(grpc::ServerContext*, const v1::SummarizeRequest* request,
                         v1::SummarizeResponse* response) override {
    if (delay > absl::ZeroDuration()) absl::SleepFor(delay);
    const grpc::Status status = Next();
    if (status.ok()) response->set_summary("about " + request->article());
    return status;
  }

  grpc::Status StreamSummarize(grpc::ServerContext* context, const v1::SummarizeRequest*,
                               grpc::ServerWriter<v1::StreamSummarizeResponse>* writer) override {
    metadata.clear();
    for (const auto& [key, value] : context->client_metadata()) {
      metadata.emplace(std::string(key.data(), key.size()), std::string(value.data(), value.size()));
    }
    v1::StreamSummarizeResponse message;
    if (endless) {
      message.set_text("more");
      while (writer->Write(message)) {
      }
      return grpc::Status::CANCELLED;
    }
    if (fail_after_text) {
      message.set_text("half");
      writer->Write(message);
      ++calls;
      return grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone");
    }
    if (const grpc::Status status = Next(); !status.ok()) return status;
    for (const char* text : {"two ", "pieces"}) {
      message.set_text(text);
      writer->Write(message);
    }
    if (no_result) return grpc::Status::OK;
    message.mutable_result()->set_summary("two pieces");
    writer->Write(message);
    return grpc::Status::OK;
  }

  grpc::Status Explore(grpc::ServerContext*, const v1::ExploreRequest*,
                       grpc::ServerWriter<v1::ExploreResponse>* writer) override {
    if (const grpc::Status status = Next(); !status.ok()) return status;
    v1::ExploreResponse accepted, point, front;
    accepted.mutable_accepted()->set_asked(3);
    writer->Write(accepted);
    if (fail_after_text) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone");
    for (int i = 1; i >= 0; --i) {
      point.mutable_point()->set_index(i);
      writer->Write(point);
    }
    if (no_result) return grpc::Status::OK;
    front.mutable_front()->add_points(1);
    writer->Write(front);
    return grpc::Status::OK;
  }

  std::deque<grpc::Status> failures;
  absl::Duration delay;
  bool fail_after_text = false;
  bool no_result = false;
  bool endless = false;
  std::atomic<int> calls = 0;
  std::map<std::string, std::string> metadata;  // Of the last stream.

 private:
  grpc::Status Next() {
    std::lock_guard<std::mutex> lock(mutex_);
    ++calls;
    if (failures.empty()) return grpc::Status::OK;
    grpc::Status status = failures.front();
    failures.pop_front();
    return status;
  }
  std::mutex mutex_;
};

class ClientTest : public testing::Test {
 protected:
  void SetUp() override {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  static v1::SummarizeRequest Request() {
    v1::SummarizeRequest request;
    request.set_article("it");
    return request;
  }

  const ClientOptions quick_ = {.initial_backoff = absl::Milliseconds(1), .max_backoff = absl::Milliseconds(4)};
  Scripted service_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

TEST_F(ClientTest, TriesAgainWhileTheServerIsDrainingOrFull) {
  service_.failures = {grpc::Status(grpc::StatusCode::UNAVAILABLE, "draining"), Full(absl::Milliseconds(1))};
  ASSERT_OK_AND_ASSIGN(const auto reply, SummarizerClient(address(), quick_).Summarize(Request()));
  EXPECT_EQ(reply.summary(), "about it");
  EXPECT_EQ(service_.calls, 3);
}

TEST_F(ClientTest, PassesOnTheTokenAndTraceOfACall) {
  ClientOptions options = quick_;
  options.token = "own";
  const SummarizerClient client(address(), options);
  const auto ignore = [](absl::string_view) {};
  EXPECT_OK(client.StreamSummarize(Request(), ignore));
  EXPECT_EQ(service_.metadata.at("authorization"), "Bearer own");
  EXPECT_FALSE(service_.metadata.contains("traceparent"));
  EXPECT_OK(client.StreamSummarize(Request(), ignore, {.token = "caller", .traceparent = "00-1-2-01"}));
  EXPECT_EQ(service_.metadata.at("authorization"), "Bearer caller");
  EXPECT_EQ(service_.metadata.at("traceparent"), "00-1-2-01");
  EXPECT_OK(client.StreamSummarize(Request(), ignore, {.token = ""}));
  EXPECT_FALSE(service_.metadata.contains("authorization"));
}

TEST_F(ClientTest, AStreamThatIsNotWantedAnyMoreIsCancelled) {
  service_.endless = true;
  const CallOptions call = {.wanted = [] { return false; }};
  int pieces = 0;
  const auto count = [&](absl::string_view) { ++pieces; };
  const auto reply = SummarizerClient(address(), quick_).StreamSummarize(Request(), count, call);
  EXPECT_GE(pieces, 1);
  EXPECT_THAT(reply, StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(ClientTest, GivesUpAfterMaxAttempts) {
  service_.failures.assign(10, grpc::Status(grpc::StatusCode::UNAVAILABLE, "draining"));
  EXPECT_THAT(SummarizerClient(address(), quick_).Summarize(Request()),
              StatusIs(absl::StatusCode::kUnavailable, "draining"));
  EXPECT_EQ(service_.calls, quick_.max_attempts);
}

TEST_F(ClientTest, WaitsAtLeastAsLongAsTheServerSays) {
  service_.failures = {Full(absl::Milliseconds(60))};
  const absl::Time start = absl::Now();
  EXPECT_OK(SummarizerClient(address(), quick_).Summarize(Request()));
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(60));
}

TEST_F(ClientTest, DoesNotTryAgainWhatCannotGetBetter) {
  for (const grpc::StatusCode code : {grpc::StatusCode::INVALID_ARGUMENT, grpc::StatusCode::INTERNAL,
                                      grpc::StatusCode::FAILED_PRECONDITION, grpc::StatusCode::RESOURCE_EXHAUSTED}) {
    service_.calls = 0;
    service_.failures = {grpc::Status(code, "no")};
    EXPECT_THAT(SummarizerClient(address(), quick_).Summarize(Request()),
                StatusIs(static_cast<absl::StatusCode>(code), "no"));
    EXPECT_EQ(service_.calls, 1);
  }
}

TEST_F(ClientTest, DoesNotWaitBeyondItsDeadline) {
  service_.failures.assign(10, Full(absl::Milliseconds(900)));
  ClientOptions options = quick_;
  options.timeout = absl::Milliseconds(500);
  const absl::Time start = absl::Now();
  EXPECT_THAT(SummarizerClient(address(), options).Summarize(Request()),
              StatusIs(absl::StatusCode::kResourceExhausted, "full"));
  EXPECT_LT(absl::Now() - start, absl::Milliseconds(500));
  EXPECT_EQ(service_.calls, 1);
}

TEST_F(ClientTest, SendsItsDeadline) {
  service_.delay = absl::Milliseconds(300);
  ClientOptions options = quick_;
  options.timeout = absl::Milliseconds(50);
  EXPECT_THAT(SummarizerClient(address(), options).Summarize(Request()), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(ClientTest, StreamsPiecesAndReturnsTheResult) {
  service_.failures = {grpc::Status(grpc::StatusCode::UNAVAILABLE, "draining")};
  std::string text;
  ASSERT_OK_AND_ASSIGN(const auto reply,
                       SummarizerClient(address(), quick_).StreamSummarize(Request(), [&](absl::string_view piece) {
                         text += std::string(piece);
                       }));
  EXPECT_EQ(text, "two pieces");
  EXPECT_EQ(reply.summary(), "two pieces");
  EXPECT_EQ(service_.calls, 2);
}

TEST_F(ClientTest, DoesNotStreamTheSameTextTwice) {
  service_.fail_after_text = true;
  std::string text;
  EXPECT_THAT(SummarizerClient(address(), quick_)
                  .StreamSummarize(Request(), [&](absl::string_view piece) { text += std::string(piece); }),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(text, "half");
  EXPECT_EQ(service_.calls, 1);
}

TEST_F(ClientTest, AStreamWithoutAResultIsAnError) {
  service_.no_result = true;
  EXPECT_THAT(SummarizerClient(address(), quick_).StreamSummarize(Request(), [](absl::string_view) {}),
              StatusIs(absl::StatusCode::kInternal, testing::HasSubstr("result")));
}

TEST_F(ClientTest, ExploresPointByPointAndTriesAgainWhileNothingHasCome) {
  service_.failures = {Full(absl::Milliseconds(1))};
  std::vector<int> points;
  ASSERT_OK_AND_ASSIGN(const auto explored,
                       SummarizerClient(address(), quick_).Explore({}, [&](const v1::ExplorePoint& point) {
                         points.push_back(point.index());
                       }));
  EXPECT_THAT(points, testing::ElementsAre(1, 0));
  EXPECT_EQ(explored.accepted.asked(), 3);
  EXPECT_THAT(explored.front.points(), testing::ElementsAre(1));
  EXPECT_EQ(service_.calls, 2);
}

TEST_F(ClientTest, DoesNotExploreTwiceNorTakeAStreamWithoutAFront) {
  const SummarizerClient client(address(), quick_);
  service_.no_result = true;
  EXPECT_THAT(client.Explore({}, [](const auto&) {}).status(),
              StatusIs(absl::StatusCode::kInternal, testing::HasSubstr("front")));
  service_.calls = 0;
  service_.fail_after_text = true;
  EXPECT_THAT(client.Explore({}, [](const auto&) {}).status(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(service_.calls, 1);
}

TEST_F(ClientTest, NobodyThereIsUnavailable) {
  const std::string gone = address();
  server_->Shutdown();
  ClientOptions options = quick_;
  options.max_attempts = 2;
  EXPECT_THAT(SummarizerClient(gone, options).GetModelInfo(), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace trimtab
