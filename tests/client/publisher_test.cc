// The publisher library before replicas that fail in ways a real server does not on demand.
#include "client/publisher.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/barrier.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"
#include "trimtab/v1/parameters.grpc.pb.h"

namespace trimtab {
namespace {

// Takes versions without looking at them, and sends one of one tensor, "12345678".
class FakeReplica : public v1::Parameters::Service {
 public:
  FakeReplica() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  std::string endpoint() const { return "127.0.0.1:" + std::to_string(port_); }

  // Called within each ListVersions and each Publish, before the answer to Begin.
  std::function<void()> on_list, on_begin;
  int broken_fetches = 0;  // So many of Fetch end after the manifest.
  std::string active = "old";

  grpc::Status ListVersions(grpc::ServerContext*, const v1::ListVersionsRequest*,
                            v1::ListVersionsResponse* response) override {
    if (on_list) on_list();
    response->mutable_active()->set_digest(active);
    return grpc::Status::OK;
  }

  grpc::Status Publish(grpc::ServerContext*,
                       grpc::ServerReaderWriter<v1::PublishResponse, v1::PublishRequest>* stream) override {
    v1::PublishRequest request;
    stream->Read(&request);
    if (on_begin) on_begin();
    v1::PublishResponse begun, committed;
    for (int i = 0; i < request.begin().tensors_size(); ++i) begun.mutable_begun()->add_received(0);
    *committed.mutable_committed()->mutable_version() = request.begin().version();
    stream->Write(begun);
    while (stream->Read(&request)) {
      if (!request.has_commit()) continue;
      stream->Write(committed);
      return grpc::Status::OK;
    }
    return grpc::Status(grpc::StatusCode::CANCELLED, "the stream ended before Commit");
  }

  grpc::Status Fetch(grpc::ServerContext*, const v1::FetchRequest* request,
                     grpc::ServerWriter<v1::FetchResponse>* writer) override {
    v1::FetchResponse begin, chunk;
    begin.mutable_begin()->mutable_version()->set_digest(request->digest());
    begin.mutable_begin()->add_tensors();
    writer->Write(begin);
    if (broken_fetches-- > 0) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the peer is gone");
    chunk.mutable_chunk()->set_data("12345678");
    writer->Write(chunk);
    return grpc::Status::OK;
  }

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

class PublisherTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(MakeTinyClp(folder_.File("checkpoint")));
    ASSERT_OK_AND_ASSIGN(Checkpoint checkpoint, OpenCheckpoint(folder_.File("checkpoint")));
    next_ = std::make_unique<const Checkpoint>(std::move(checkpoint));
  }
  absl::StatusOr<PublishReport> Publish(const std::vector<std::string>& endpoints, ParametersClientOptions options) {
    return Publisher(endpoints, {.holder = "trainer", .client = options}).Publish(*next_, nullptr);
  }

  TempDir folder_;
  std::unique_ptr<const Checkpoint> next_;
};

TEST_F(PublisherTest, AllServersAreAskedAtOnceWhatTheyHave) {
  FakeReplica one, two;
  absl::Barrier both(2);  // A server that is asked first does not answer before the second is asked.
  one.on_list = two.on_list = [&both] { both.Block(); };
  ASSERT_OK_AND_ASSIGN(const PublishReport report,
                       Publish({one.endpoint(), two.endpoint()}, {.call_timeout = absl::Seconds(5)}));
  EXPECT_TRUE(report.all_ok());
}

TEST_F(PublisherTest, AServerThatNeverAnswersIsGivenUpInTimeAndHoldsUpNobody) {
  FakeReplica silent, hung, good;
  absl::Notification given_up, good_asked;
  silent.on_list = [&given_up] { given_up.WaitForNotification(); };
  hung.on_begin = [&] {
    good_asked.WaitForNotification();
    given_up.WaitForNotification();
  };
  good.on_begin = [&good_asked] { good_asked.Notify(); };
  const auto report = Publish({silent.endpoint(), hung.endpoint(), good.endpoint()},
                              {.call_timeout = absl::Milliseconds(500), .push_timeout = absl::Seconds(1)});
  given_up.Notify();
  ASSERT_OK(report);
  EXPECT_THAT(report->replicas[0].status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(report->replicas[1].status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_OK(report->replicas[2].status);
}

// The replica waits for more until it hears that no more will come.
TEST(CatchUpTest, APeerThatBreaksOffIsAskedAgain) {
  FakeReplica late, peer;
  peer.active = "new";
  const ParametersClient client(late.endpoint(),
                                {.push_timeout = absl::Seconds(5), .initial_backoff = absl::Milliseconds(5)});
  peer.broken_fetches = 2;  // The manifest is fetched alone first.
  ASSERT_OK_AND_ASSIGN(const PushResult result, client.CatchUp(ParametersClient(peer.endpoint()), ""));
  EXPECT_EQ(result.version.digest(), "new");
  EXPECT_EQ(result.attempts, 2);
  EXPECT_EQ(result.bytes_sent, 8);
}

TEST(CatchUpTest, APeerThatBreaksOffForEverIsGivenUp) {
  FakeReplica late, peer;
  peer.active = "new";
  peer.broken_fetches = 1 << 20;
  const ParametersClient client(
      late.endpoint(), {.push_timeout = absl::Seconds(5), .max_attempts = 3, .initial_backoff = absl::Milliseconds(5)});
  EXPECT_THAT(client.CatchUp(ParametersClient(peer.endpoint()), ""),
              StatusIs(absl::StatusCode::kCancelled, testing::HasSubstr("before Commit")));
}

}  // namespace
}  // namespace trimtab
