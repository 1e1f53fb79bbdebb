// P1 and P9 with whole processes: the publisher or the server is killed at any moment.
#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "client/publisher.h"
#include "gtest/gtest.h"
#include "tests/server/event.h"
#include "tests/server/publication.h"
#include "tests/testing/long_form.h"
#include "tests/testing/process.h"

namespace trimtab {
namespace {

using Clock = std::chrono::steady_clock;

class UpdateKillTest : public testing::Test {
 protected:
  UpdateKillTest() : base_(OpenTiny(directory_)) {}

  void StartServer() {
    const auto start = Clock::now();
    server_ = std::make_unique<Process>(
        std::vector<std::string>{TRIMTABD, "--model", directory_.File("checkpoint"), "--listen", "127.0.0.1:0",
                                 "--metrics-listen", "127.0.0.1:0", "--state-dir", ram_.path() + "/state",
                                 "--lease-seconds", "0.2", "--threads", "1", "--log-level", "warning"});
    const std::string line = server_->FirstLine();
    ASSERT_THAT(line, testing::StartsWith("listening grpc=")) << server_->err();
    const size_t begin = line.find('=') + 1;
    address_ = line.substr(begin, line.find(' ', begin) - begin);
    EXPECT_LT(Clock::now() - start, std::chrono::seconds(5 * Often(2, 1)));
  }
  v1::ParameterVersion Active() const {
    const auto held = ParametersClient(address_).ListVersions();
    EXPECT_OK(held);
    return held.ok() ? held->active() : v1::ParameterVersion();
  }
  void SomeTime(int most_milliseconds) {
    std::this_thread::sleep_for(std::chrono::microseconds(random_() % (1000 * most_milliseconds)));
  }

  TempDir directory_;
  RamFolder ram_;
  const CheckpointPtr base_;
  std::unique_ptr<Process> server_;
  std::string address_;
  std::mt19937 random_{std::random_device()()};
};

TEST_F(UpdateKillTest, AKilledServerServesTheLastAcknowledgedVersionOrTheOneInFlight) {
  ASSERT_NO_FATAL_FAILURE(StartServer());
  // Names are the publisher's choice, so the same digests come back whatever happened.
  std::vector<CheckpointPtr> versions = {base_};
  const int kills = Often(3, 240);
  for (int kill = 0; kill < kills; ++kill) {
    std::atomic<size_t> acknowledged = versions.size() - 1;
    std::thread publisher([&, address = address_] {
      Publisher publisher({address}, {.holder = "trainer", .client = {.max_attempts = 1}});
      while (true) {
        const CheckpointPtr last = versions.back();
        versions.push_back(NextVersion(*last, 1, versions.size(), false, 1, base_.get()));
        const auto report = publisher.Publish(*versions.back(), last.get());
        if (!report.ok() || !report->all_ok()) return;
        acknowledged = versions.size() - 1;
      }
    });
    SomeTime(150);
    server_->Signal(SIGKILL);
    server_->Wait();
    publisher.join();
    ASSERT_NO_FATAL_FAILURE(StartServer());
    const std::string active = Active().digest();
    const bool last = active == versions[acknowledged]->digest;
    const bool in_flight = acknowledged + 1 < versions.size() && active == versions[acknowledged + 1]->digest;
    ASSERT_TRUE(last || in_flight) << "after kill " << kill << " with " << acknowledged << " acknowledged";
    versions.resize(acknowledged + 1 + (last ? 0 : 1));
  }
}

TEST_F(UpdateKillTest, AKilledPublisherChangesNothingAndTheNextOneSucceeds) {
  ASSERT_NO_FATAL_FAILURE(StartServer());
  TinyOptions other;
  other.seed = 2;
  TempDir trained;
  ASSERT_OK(MakeTinyClp(trained.path(), other));
  // Its reference must be the server's.
  std::filesystem::copy(directory_.File("checkpoint/reference.safetensors"), trained.File("reference.safetensors"),
                        std::filesystem::copy_options::overwrite_existing);
  ASSERT_OK_AND_ASSIGN(const Checkpoint next, OpenCheckpoint(trained.path()));
  for (int kill = 0; kill < Often(3, 200); ++kill) {
    Process publisher({TRIMTAB, "publish", trained.path(), "--server", address_});
    SomeTime(60);
    publisher.Signal(SIGKILL);
    publisher.Wait();
    const std::string active = Active().digest();
    EXPECT_TRUE(active == base_->digest || active == next.digest);
  }
  Publisher publisher({address_}, {});
  ASSERT_TRUE(Eventually([&] {
    const auto report = publisher.Publish(next, nullptr);
    return report.ok() && report->all_ok();
  })) << "the lease of the killed one lapses";
  EXPECT_EQ(Active().digest(), next.digest);
}

}  // namespace
}  // namespace trimtab
