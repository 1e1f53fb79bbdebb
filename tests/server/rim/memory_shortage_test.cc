// A device whose memory runs out refuses requests and versions, or lets them wait; the server goes on.
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "client/publisher.h"
#include "gtest/gtest.h"
#include "tests/cuda_emulation/device_memory.h"
#include "tests/cuda_emulation/stream.h"
#include "tests/server/event.h"
#include "tests/server/publication.h"
#include "tests/server/rim/server_fixture.h"

namespace trimtab {
namespace {

constexpr size_t kPlenty = size_t{1} << 30;
constexpr char kShort[] = "a short article", kLong[] = "a long article of words and more words and even more words";

class MemoryShortageTest : public ServerFixture {
 protected:
  ~MemoryShortageTest() override { SetMemory(kPlenty); }

  // What is in use stays; more than that is refused.
  void SetMemory(size_t bytes) {
    const std::lock_guard<std::mutex> lock(cuda_emulation::DeviceLock());
    cuda_emulation::SetDeviceMemory(bytes);
  }
  int64_t Refusals() {
    const std::lock_guard<std::mutex> lock(cuda_emulation::DeviceLock());
    return cuda_emulation::DeviceMemoryRefusals();
  }

  static v1::SummarizeRequest Dense(const std::string& article, double first) {
    v1::SummarizeRequest request = RequestFor(article, first);
    request.set_execution_path(v1::EXECUTION_PATH_DENSE);
    return request;
  }
  grpc::Status Summarize(const v1::SummarizeRequest& request, v1::SummarizeResponse* reply) {
    grpc::ClientContext context;
    return stub_->Summarize(&context, request, reply);
  }
};

TEST_F(MemoryShortageTest, ARequestForWhichThereIsNoneIsRefusedAndLaterOnesAreServed) {
  ASSERT_NO_FATAL_FAILURE(Start(Options("")));
  v1::SummarizeResponse before, refused, after;
  ASSERT_TRUE(Summarize(Dense(kShort, 0.5), &before).ok());
  SetMemory(0);
  const grpc::Status no_mixture = Summarize(Dense(kShort, 0.25), &refused);
  EXPECT_EQ(no_mixture.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_NE(no_mixture.error_message().find("memory"), std::string::npos) << no_mixture.error_message();
  // Its mixture is there; keys and values of the article are not.
  EXPECT_EQ(Summarize(Dense(kLong, 0.5), &refused).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  SetMemory(kPlenty);
  ASSERT_TRUE(Summarize(Dense(kShort, 0.5), &after).ok());
  EXPECT_EQ(after.summary(), before.summary());
  EXPECT_TRUE(Summarize(Dense(kShort, 0.25), &after).ok());
  EXPECT_TRUE(Summarize(Dense(kLong, 0.5), &after).ok());
}

TEST_F(MemoryShortageTest, BesideOneThatRunsARequestWaitsUntilItHasLeft) {
  ServerOptions options = Options("");
  options.max_new_tokens = 1024;
  ASSERT_NO_FATAL_FAILURE(Start(options));
  grpc::ClientContext running;
  grpc::Status first, second;
  std::thread runs([&, stub = NewStub()] {
    v1::SummarizeResponse reply;
    first = stub->Summarize(&running, SlowRequest(), &reply);
  });
  EXPECT_TRUE(Eventually([&] { return Metric("trimtab_requests_running") == 1; }));
  SetMemory(0);
  const int64_t refusals = Refusals();
  std::thread waits([&, stub = NewStub()] {
    grpc::ClientContext context;
    v1::SummarizeResponse reply;
    second = stub->Summarize(&context, Dense(kLong, 0.25), &reply);
  });
  EXPECT_TRUE(Eventually([&] { return Refusals() > refusals && Metric("trimtab_requests_waiting") == 1; }));
  EXPECT_EQ(Metric("trimtab_requests_running"), 1);
  SetMemory(kPlenty);
  running.TryCancel();
  runs.join();
  waits.join();
  EXPECT_EQ(first.error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(second.ok()) << second.error_message();
}

TEST_F(MemoryShortageTest, AVersionThatDoesNotFitIsRefusedAndTheOldOneServesOn) {
  ASSERT_NO_FATAL_FAILURE(Start(Options("")));
  absl::StatusOr<Checkpoint> opened = OpenCheckpoint(model_.File("checkpoint"));
  ASSERT_OK(opened);
  const CheckpointPtr next = NextVersion(*opened, 1, 1);
  PublisherOptions once;
  once.client.max_attempts = 1;
  Publisher publisher({server_->grpc_address()}, once);
  SetMemory(0);
  const absl::StatusOr<PublishReport> refused = publisher.Publish(*next, nullptr);
  ASSERT_TRUE(refused.ok() && !refused->all_ok());
  EXPECT_EQ(refused->replicas[0].status.code(), absl::StatusCode::kResourceExhausted) << refused->replicas[0].status;
  SetMemory(kPlenty);
  v1::SummarizeResponse reply;
  ASSERT_TRUE(Summarize(RequestFor(kShort, 0.5), &reply).ok());
  EXPECT_EQ(reply.parameter_version().digest(), opened->digest);
  const absl::StatusOr<PublishReport> taken = publisher.Publish(*next, nullptr);
  ASSERT_TRUE(taken.ok() && taken->all_ok());
  ASSERT_TRUE(Summarize(RequestFor(kShort, 0.5), &reply).ok());
  EXPECT_EQ(reply.parameter_version().digest(), next->digest);
}

}  // namespace
}  // namespace trimtab
