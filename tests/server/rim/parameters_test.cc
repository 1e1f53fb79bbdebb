// trimtab.v1.Parameters over loopback, through the publisher library and by hand.
#include <atomic>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "client/endpoints.h"
#include "client/publication.h"
#include "client/publisher.h"
#include "client/summarizer_client.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "model/checksum.h"
#include "tests/server/event.h"
#include "tests/server/publication.h"
#include "tests/server/rim/server_fixture.h"
#include "trimtab/v1/parameters.grpc.pb.h"

namespace trimtab {
namespace {

using ::testing::HasSubstr;

constexpr char kArticle[] = "the server reads text and writes a short summary of it";

class ParametersTest : public ServerFixture {
 protected:
  // A server on a RAM disk; base_ is its checkpoint.
  void StartDurable(ServerOptions options = Options("")) {
    options.state_dir = ram_.path() + "/state";
    ASSERT_NO_FATAL_FAILURE(Start(options));
    Opened();
  }
  void Opened() {
    ASSERT_OK_AND_ASSIGN(Checkpoint checkpoint, OpenCheckpoint(model_.File("checkpoint")));
    base_ = std::make_shared<const Checkpoint>(std::move(checkpoint));
  }
  ServerOptions Again() {
    ServerOptions options = Options(model_.File("checkpoint"));
    options.state_dir = ram_.path() + "/state";
    return options;
  }
  std::string address() const { return server_->grpc_address(); }

  // The status of a stream of these messages, sent by hand.
  grpc::Status Stream(const std::vector<v1::PublishRequest>& requests) {
    const auto stub = v1::Parameters::NewStub(NewChannel());
    grpc::ClientContext context;
    const auto stream = stub->Publish(&context);
    v1::PublishResponse response;
    for (const v1::PublishRequest& request : requests) {
      if (!stream->Write(request)) break;
    }
    stream->WritesDone();
    while (stream->Read(&response)) {
    }
    return stream->Finish();
  }
  v1::PublishRequest BeginOf(const Checkpoint& next) {
    v1::PublishRequest request;
    const auto whole = PublishWhole(next);
    EXPECT_OK(whole);
    v1::Begin* begin = request.mutable_begin();
    begin->mutable_tensors()->Assign((*whole)->manifest.begin(), (*whole)->manifest.end());
    begin->mutable_version()->set_epoch(next.epoch);
    begin->mutable_version()->set_sequence(next.clp.sequence);
    begin->mutable_version()->set_digest(next.digest);
    begin->set_expected_parent(base_->digest);
    begin->mutable_lease()->set_holder("by-hand");
    begin->mutable_lease()->set_epoch(1);
    return request;
  }

  RamFolder ram_;
  CheckpointPtr base_;
};

std::string ReasonIn(const grpc::Status& status) {
  google::rpc::Status rich;
  EXPECT_TRUE(rich.ParseFromString(status.error_details()));
  google::rpc::ErrorInfo info;
  for (const auto& any : rich.details()) {
    if (any.UnpackTo(&info)) return info.reason();
  }
  return "";
}

TEST_F(ParametersTest, APublishedVersionIsServedNamedAndSurvivesARestart) {
  ASSERT_NO_FATAL_FAILURE(StartDurable());
  const CheckpointPtr next = NextVersion(*base_, 1, 1);
  Publisher publisher({address()}, {});
  ASSERT_OK_AND_ASSIGN(const PublishReport report, publisher.Publish(*next, base_.get()));
  ASSERT_TRUE(report.all_ok()) << report.replicas[0].status;
  EXPECT_TRUE(report.replicas[0].result.durable);
  EXPECT_FALSE(report.replicas[0].whole);
  for (int run = 0; run < 2; ++run) {
    grpc::ClientContext context;
    v1::SummarizeResponse reply;
    ASSERT_TRUE(stub_->Summarize(&context, RequestFor(kArticle, 0.5), &reply).ok());
    EXPECT_EQ(reply.parameter_version().digest(), next->digest);
    EXPECT_EQ(reply.parameter_version().epoch(), publisher.epoch());
    EXPECT_EQ(Metric("trimtab_params_version"), 1);
    EXPECT_GE(Metric("trimtab_params_age_seconds"), 0);
    Stop();
    ASSERT_NO_FATAL_FAILURE(Start(Again()));
  }
}

TEST_F(ParametersTest, VersionAfterVersionGoesAsADeltaAndTheLastOnesAreHeld) {
  ASSERT_NO_FATAL_FAILURE(StartDurable());
  Publisher publisher({address()}, {});
  CheckpointPtr last = base_;
  for (uint64_t sequence = 1; sequence <= 5; ++sequence) {
    const CheckpointPtr next = NextVersion(*last, 1, sequence, /*bf16=*/true, /*stride=*/50);
    ASSERT_OK_AND_ASSIGN(const PublishReport report, publisher.Publish(*next, last.get()));
    ASSERT_TRUE(report.all_ok()) << report.replicas[0].status;
    EXPECT_EQ(report.version.sequence(), sequence);
    last = next;
  }
  const ParametersClient client(address());
  ASSERT_OK_AND_ASSIGN(const v1::ListVersionsResponse held, client.ListVersions());
  EXPECT_EQ(held.active().digest(), last->digest);
  ASSERT_EQ(held.versions_size(), 4) << "the checkpoint and the last three";
  EXPECT_EQ(held.versions(1).version().sequence(), 3u);
  EXPECT_EQ(held.lease().epoch(), publisher.epoch());
  EXPECT_TRUE(held.lease_alive());
  EXPECT_EQ(held.highest_sequence(), 5u);
}

TEST_F(ParametersTest, ActivateServesAHeldVersionAgain) {
  ASSERT_NO_FATAL_FAILURE(StartDurable());
  const CheckpointPtr next = NextVersion(*base_, 1, 1);
  ASSERT_OK(Publisher({address()}, {}).Publish(*next, nullptr));
  const ParametersClient client(address());
  v1::ActivateRequest request;
  request.set_digest(base_->digest);
  ASSERT_OK_AND_ASSIGN(const v1::ActivateResponse back, client.Activate(request));
  EXPECT_EQ(back.version().digest(), base_->digest);
  request.Clear();
  request.set_sequence(1);
  ASSERT_OK_AND_ASSIGN(const v1::ActivateResponse forward, client.Activate(request));
  EXPECT_EQ(forward.version().digest(), next->digest);
  request.set_sequence(7);
  EXPECT_THAT(client.Activate(request), StatusIs(absl::StatusCode::kNotFound));
  request.set_digest("both");
  EXPECT_THAT(client.Activate(request), StatusIs(absl::StatusCode::kInvalidArgument));
}

// P15.
TEST_F(ParametersTest, ACallerMayAskForAVersionOrALaterOne) {
  ASSERT_NO_FATAL_FAILURE(StartDurable());
  v1::SummarizeRequest request = RequestFor(kArticle, 0.5);
  request.mutable_min_parameter_version()->set_epoch(1);
  request.mutable_min_parameter_version()->set_sequence(1);
  v1::SummarizeResponse reply;
  grpc::ClientContext early, late;
  const grpc::Status status = stub_->Summarize(&early, request, &reply);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonIn(status), "PARAMS_VERSION_UNAVAILABLE");
  ASSERT_OK(Publisher({address()}, {}).Publish(*NextVersion(*base_, 1, 1), nullptr));
  EXPECT_TRUE(stub_->Summarize(&late, request, &reply).ok());
}

TEST_F(ParametersTest, WatchTellsTheVersionNowAndEachChange) {
  ASSERT_NO_FATAL_FAILURE(StartDurable());
  const auto stub = v1::Parameters::NewStub(NewChannel());
  grpc::ClientContext context;
  const auto reader = stub->Watch(&context, {});
  v1::WatchResponse seen;
  ASSERT_TRUE(reader->Read(&seen));
  EXPECT_EQ(seen.version().digest(), base_->digest);
  const CheckpointPtr next = NextVersion(*base_, 1, 1);
  ASSERT_OK(Publisher({address()}, {}).Publish(*next, nullptr));
  ASSERT_TRUE(reader->Read(&seen));
  EXPECT_EQ(seen.version().digest(), next->digest);
  Stop();
  EXPECT_FALSE(reader->Read(&seen));
  EXPECT_FALSE(reader->Finish().ok());
}

TEST_F(ParametersTest, BadMessagesNameTheirFieldAndChangeNothing) {
  ASSERT_NO_FATAL_FAILURE(StartDurable());
  const CheckpointPtr next = NextVersion(*base_, 1, 1);
  const v1::PublishRequest good = BeginOf(*next);
  const auto fault = [&](const std::function<void(v1::Begin*)>& change) {
    v1::PublishRequest request = good;
    change(request.mutable_begin());
    const grpc::Status status = Stream({request});
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
    return FieldAtFault(status);
  };
  EXPECT_EQ(fault([](v1::Begin* b) { b->mutable_lease()->set_holder("a b"); }), "begin.lease.holder");
  EXPECT_EQ(fault([](v1::Begin* b) { b->mutable_lease()->set_holder(std::string(65, 'a')); }), "begin.lease.holder");
  EXPECT_EQ(fault([](v1::Begin* b) { b->mutable_lease()->set_epoch(0); }), "begin.lease.epoch");
  EXPECT_EQ(fault([](v1::Begin* b) { b->mutable_version()->set_epoch(2); }), "begin.version.epoch");
  EXPECT_EQ(fault([](v1::Begin* b) { b->mutable_version()->set_sequence(~uint64_t{0}); }), "begin.version.sequence");
  EXPECT_EQ(fault([](v1::Begin* b) { b->mutable_version()->set_digest("ABC"); }), "begin.version.digest");
  EXPECT_EQ(fault([](v1::Begin* b) { b->set_expected_parent(""); }), "begin.expected_parent");
  EXPECT_EQ(fault([](v1::Begin* b) { b->clear_tensors(); }), "begin.tensors");
  EXPECT_EQ(fault([](v1::Begin* b) { b->mutable_tensors(1)->set_checksum("?"); }), "begin.tensors[1].checksum");
  EXPECT_EQ(fault([](v1::Begin* b) { b->mutable_tensors(1)->set_name(std::string(300, 'n')); }),
            "begin.tensors[1].name");
  EXPECT_EQ(fault([](v1::Begin* b) { b->mutable_tensors(1)->clear_type(); }), "begin.tensors[1].type");
  EXPECT_EQ(fault([](v1::Begin* b) { b->mutable_tensors(1)->clear_encoding(); }), "begin.tensors[1].encoding");
  EXPECT_EQ(fault([](v1::Begin* b) { b->mutable_tensors(1)->mutable_shape()->Resize(9, 1); }),
            "begin.tensors[1].shape");
  EXPECT_EQ(FieldAtFault(Stream({v1::PublishRequest()})), "step");
  EXPECT_EQ(FieldAtFault(Stream({good, good})), "step");
  v1::PublishRequest chunk;
  chunk.mutable_chunk()->set_data(std::string((1 << 20) + 1, 'x'));
  EXPECT_EQ(FieldAtFault(Stream({chunk})), "step");
  EXPECT_EQ(FieldAtFault(Stream({good, chunk})), "chunk.data");
  v1::PublishRequest commit;
  commit.mutable_commit()->set_digest(base_->digest);
  EXPECT_EQ(FieldAtFault(Stream({good, commit})), "commit.digest");
  commit.mutable_commit()->set_digest(next->digest);
  EXPECT_EQ(ReasonIn(Stream({good, commit})), "INCOMPLETE");
  ASSERT_OK_AND_ASSIGN(const v1::ListVersionsResponse held, ParametersClient(address()).ListVersions());
  EXPECT_EQ(held.active().digest(), base_->digest);
}

TEST_F(ParametersTest, BytesThatAreNoMessageEndTheStream) {
  ASSERT_NO_FATAL_FAILURE(StartDurable());
  EXPECT_EQ(RawCall(NewChannel(), "/trimtab.v1.Parameters/Activate", "\xff\xff").first.error_code(),
            grpc::StatusCode::INTERNAL);
}

TEST_F(ParametersTest, AServerThatStartsLateCatchesUpFromAPeer) {
  ServerOptions options = Options("");
  options.lease_seconds = 600.0;  // However slowly this runs.
  ASSERT_NO_FATAL_FAILURE(StartDurable(options));
  const CheckpointPtr first = NextVersion(*base_, 1, 1), second = NextVersion(*first, 1, 2);
  Publisher publisher({address()}, {});
  ASSERT_OK(publisher.Publish(*first, base_.get()));
  ASSERT_OK(publisher.Publish(*second, first.get()));
  options.model = model_.File("checkpoint");
  ASSERT_OK_AND_ASSIGN(const auto late, Server::Start(options));
  const ParametersClient client(late->grpc_address());
  ASSERT_OK_AND_ASSIGN(const PushResult result, client.CatchUp(ParametersClient(address()), ""));
  EXPECT_FALSE(result.durable) << "it has no state-dir";
  ASSERT_OK_AND_ASSIGN(const v1::ListVersionsResponse held, client.ListVersions());
  EXPECT_EQ(held.active().digest(), second->digest);
  EXPECT_EQ(held.active().sequence(), 2u);
  // The publisher still holds the lease there, and a delta is enough from now on.
  Publisher both({address(), late->grpc_address()}, {});
  const CheckpointPtr third = NextVersion(*second, 1, 3);
  ASSERT_OK_AND_ASSIGN(const PublishReport report, both.Publish(*third, second.get()));
  for (const ReplicaOutcome& outcome : report.replicas) {
    EXPECT_THAT(outcome.status, StatusIs(absl::StatusCode::kAborted, HasSubstr("publishes here")));
  }
}

TEST_F(ParametersTest, EachReplicaGetsWhatItLacks) {
  ASSERT_NO_FATAL_FAILURE(StartDurable());
  ASSERT_OK_AND_ASSIGN(auto other, Server::Start(Options(model_.File("checkpoint"))));
  const CheckpointPtr first = NextVersion(*base_, 1, 1), second = NextVersion(*first, 1, 2);
  // One of the three is not there, and one missed the first version.
  PublisherOptions options;
  options.client.call_timeout = absl::Seconds(1);
  ASSERT_OK(Publisher({address()}, {.holder = "trainer", .client = {}}).Publish(*first, base_.get()));
  Publisher publisher({address(), other->grpc_address(), "127.0.0.1:1"},
                      {.holder = "trainer", .client = options.client});
  ASSERT_OK_AND_ASSIGN(const PublishReport report, publisher.Publish(*second, first.get()));
  EXPECT_FALSE(report.all_ok());
  EXPECT_OK(report.replicas[0].status);
  EXPECT_FALSE(report.replicas[0].whole);
  EXPECT_OK(report.replicas[1].status);
  EXPECT_TRUE(report.replicas[1].whole);
  EXPECT_THAT(report.replicas[2].status, StatusIs(absl::StatusCode::kUnavailable));
  ASSERT_OK_AND_ASSIGN(const auto here, ParametersClient(address()).ListVersions());
  ASSERT_OK_AND_ASSIGN(const auto there, ParametersClient(other->grpc_address()).ListVersions());
  EXPECT_EQ(here.active().SerializeAsString(), there.active().SerializeAsString());
}

TEST_F(ParametersTest, ATokenOfTheRightRoleIsAsked) {
  const std::string file = ram_.path() + "/tokens";
  std::ofstream(file) << "infer reader-reader-reader\npublish trainer-trainer-trainer\nadmin operator-operator-op\n";
  ServerOptions options = Options("");
  options.tokens = file;
  ASSERT_NO_FATAL_FAILURE(StartDurable(options));
  const auto with = [&](const std::string& token) { return ParametersClient(address(), {.token = token}); };
  v1::ActivateRequest activate;
  activate.set_sequence(0);
  EXPECT_THAT(with("").ListVersions(), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(with("reader-reader-reader").ListVersions(), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_OK(with("trainer-trainer-trainer").ListVersions());
  EXPECT_THAT(with("trainer-trainer-trainer").Activate(activate), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_OK(with("operator-operator-op").Activate(activate));
  EXPECT_EQ(Stream({BeginOf(*NextVersion(*base_, 1, 1))}).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  for (const auto& [token, code] : {std::pair("", absl::StatusCode::kUnauthenticated),
                                    std::pair("trainer-trainer-trainer", absl::StatusCode::kPermissionDenied),
                                    std::pair("reader-reader-reader", absl::StatusCode::kOk)}) {
    const SummarizerClient client(address(), {.token = token});
    EXPECT_EQ(client.GetModelInfo().status().code(), code);
    EXPECT_EQ(client.Summarize(RequestFor(kArticle, 0.5)).status().code(), code);
    EXPECT_EQ(client.StreamSummarize(RequestFor(kArticle, 0.5), [](absl::string_view) {}).status().code(), code);
  }
}

TEST_F(ParametersTest, WithoutTokensOnlyLoopbackTakesParameters) {
  ServerOptions options = Options("");
  options.listen = "0.0.0.0:0";
  ASSERT_NO_FATAL_FAILURE(Start(options));
  EXPECT_THAT(ParametersClient(address()).ListVersions(), StatusIs(absl::StatusCode::kUnimplemented));
  grpc::ClientContext context;
  v1::GetModelInfoResponse info;
  EXPECT_TRUE(stub_->GetModelInfo(&context, {}, &info).ok());
}

// Breaks a stream after some chunks, once; otherwise passes everything on to a server.
class CuttingProxy final : public v1::Parameters::Service {
 public:
  CuttingProxy(std::shared_ptr<grpc::Channel> channel, int cut_after, bool lose_answer)
      : stub_(v1::Parameters::NewStub(std::move(channel))), cut_after_(cut_after), lose_answer_(lose_answer) {}

  grpc::Status Publish(grpc::ServerContext*,
                       grpc::ServerReaderWriter<v1::PublishResponse, v1::PublishRequest>* stream) override {
    ++streams_;
    grpc::ClientContext context;
    const auto onwards = stub_->Publish(&context);
    v1::PublishRequest request;
    v1::PublishResponse response;
    for (int chunks = 0; stream->Read(&request);) {
      if (request.has_chunk() && ++chunks > cut_after_ && streams_ == 1) {
        context.TryCancel();
        return grpc::Status(grpc::StatusCode::UNAVAILABLE, "cut");
      }
      if (!onwards->Write(request)) break;
      if (request.has_chunk()) continue;
      if (!onwards->Read(&response)) break;
      if (response.has_committed() && lose_answer_ && streams_ == 1) {
        return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the answer is lost");
      }
      stream->Write(response);
    }
    context.TryCancel();
    const grpc::Status status = onwards->Finish();
    return response.has_committed() || response.begun().committed() ? grpc::Status::OK : status;
  }
  int streams() const { return streams_; }

 private:
  const std::unique_ptr<v1::Parameters::Stub> stub_;
  const int cut_after_;
  const bool lose_answer_;
  std::atomic<int> streams_ = 0;
};

class CutTest : public ParametersTest {
 protected:
  // What pushing `next` through the proxy gives.
  absl::StatusOr<PushResult> PushThrough(CuttingProxy& proxy, const Checkpoint& next) {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&proxy);
    const auto server = builder.BuildAndStart();
    const ParametersClient client(absl::StrCat("127.0.0.1:", port), {.initial_backoff = absl::Milliseconds(5)});
    const auto whole = PublishWhole(next);
    EXPECT_OK(whole);
    v1::Begin begin = BeginOf(next).begin();
    return client.Push(begin, **whole);
  }
};

// P16 over the wire.
TEST_F(CutTest, AStreamThatBreaksIsTakenUpWhereItWas) {
  ASSERT_NO_FATAL_FAILURE(StartDurable());
  const CheckpointPtr next = NextVersion(*base_, 1, 1);
  CuttingProxy proxy(NewChannel(), /*cut_after=*/20, /*lose_answer=*/false);
  ASSERT_OK_AND_ASSIGN(const PushResult result, PushThrough(proxy, *next));
  EXPECT_EQ(result.version.digest(), next->digest);
  EXPECT_TRUE(result.durable);
  EXPECT_GE(result.attempts, 2);
  ASSERT_OK_AND_ASSIGN(const auto held, ParametersClient(address()).ListVersions());
  EXPECT_EQ(held.active().digest(), next->digest);
}

TEST_F(CutTest, APublisherThatLostTheAnswerFindsThatItsVersionStands) {
  ASSERT_NO_FATAL_FAILURE(StartDurable());
  const CheckpointPtr next = NextVersion(*base_, 1, 1);
  CuttingProxy proxy(NewChannel(), /*cut_after=*/1 << 20, /*lose_answer=*/true);
  ASSERT_OK_AND_ASSIGN(const PushResult result, PushThrough(proxy, *next));
  EXPECT_EQ(proxy.streams(), 2);
  EXPECT_EQ(result.version.digest(), next->digest);
  EXPECT_TRUE(result.durable);
  EXPECT_EQ(Metric("trimtab_params_updates_total{result=\"OK\"}"), 1);
}

TEST(PublicationTest, ADeltaAgainstAnotherModelIsRefused) {
  const TempDir folder;
  TinyOptions options;
  ASSERT_OK(MakeTinyClp(folder.File("two"), options));
  options.num_rewards = 3;
  ASSERT_OK(MakeTinyClp(folder.File("three"), options));
  options.num_rewards = 2;
  options.d_ff = 32;
  ASSERT_OK(MakeTinyClp(folder.File("wide"), options));
  ASSERT_OK_AND_ASSIGN(const Checkpoint two, OpenCheckpoint(folder.File("two")));
  ASSERT_OK_AND_ASSIGN(const Checkpoint three, OpenCheckpoint(folder.File("three")));
  ASSERT_OK_AND_ASSIGN(const Checkpoint wide, OpenCheckpoint(folder.File("wide")));
  EXPECT_THAT(PublishDelta(three, two), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(PublishDelta(two, three), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(PublishDelta(wide, two), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_TRUE(PublishDelta(two, two).ok());
}

TEST(EndpointsTest, AreAllAddressesOfAName) {
  ASSERT_OK_AND_ASSIGN(const auto plain, ResolveEndpoints("127.0.0.1:80"));
  EXPECT_THAT(plain, testing::ElementsAre("127.0.0.1:80"));
  const auto local = ResolveEndpoints("localhost:80");  // A minimal Debian has no /etc/hosts, and no localhost then.
  if (local.ok()) {
    EXPECT_THAT(*local, testing::Contains("127.0.0.1:80"));
  } else {
    EXPECT_THAT(local, StatusIs(absl::StatusCode::kUnavailable));
  }
  EXPECT_THAT(ResolveEndpoints("localhost"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ResolveEndpoints("no.such.host.invalid:80"), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace trimtab
