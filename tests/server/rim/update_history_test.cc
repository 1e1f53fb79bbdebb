// P11: versions arrive while clients stream; every answer is that of one version, the one it names.
#include <atomic>
#include <chrono>
#include <cmath>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/publisher.h"
#include "gtest/gtest.h"
#include "tests/server/event.h"
#include "tests/server/publication.h"
#include "tests/server/rim/history.h"
#include "tests/server/rim/server_fixture.h"
#include "tests/testing/long_form.h"
#include "tests/testing/process.h"

namespace trimtab {
namespace {

using Clock = std::chrono::steady_clock;

const int kCommits = Often(12, 500);
const int kClients = Often(6, 32);
const auto kBetweenCommits = std::chrono::milliseconds(Often(0, 1200));
constexpr int kStride = 3;  // Every third element moves.

int64_t ResidentBytes(pid_t process) {
  std::ifstream status(absl::StrCat("/proc/", process, "/status"));
  for (std::string word; status >> word;) {
    int64_t kilobytes = 0;
    if (word == "VmRSS:" && status >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

// The server is a process of its own, so that its memory can be told from that of the test.
class UpdateHistoryTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string folder =
        LongForm() ? TRIMTAB_SOURCE_DIR "/deploy/models/debian-pilot" : directory_.File("checkpoint");
    if (!LongForm()) {
      ASSERT_OK(MakeTinyClp(folder));
    }
    ASSERT_OK_AND_ASSIGN(Checkpoint opened, OpenCheckpoint(folder));
    base_ = std::make_shared<const Checkpoint>(std::move(opened));
    server_ = std::make_unique<Process>(
        std::vector<std::string>{TRIMTABD, "--model", folder, "--listen", "127.0.0.1:0", "--metrics-listen",
                                 "127.0.0.1:0", "--state-dir", ram_.path() + "/state", "--max-norm-jump", "0",
                                 "--threads", "1", "--log-level", "warning", "--cache-bytes", "64MiB"});
    const std::vector<std::string> words = absl::StrSplit(server_->FirstLine(), ' ');
    ASSERT_EQ(words.size(), 3u) << server_->err();
    grpc_address_ = words[1].substr(words[1].find('=') + 1);
    metrics_address_ = words[2].substr(words[2].find('=') + 1);
  }

  std::unique_ptr<Stub> NewStub() const {
    return v1::Summarizer::NewStub(grpc::CreateChannel(grpc_address_, grpc::InsecureChannelCredentials()));
  }
  CheckpointPtr Next(const Checkpoint& parent, uint64_t sequence) const {
    return NextVersion(parent, 1, sequence, /*bf16=*/true, kStride, base_.get());
  }

  v1::SummarizeRequest RequestOf(int client, int number) const {
    v1::SummarizeRequest request = RequestFor(absl::StrCat("article ", client, " of many, to be read and summarised"),
                                              (client + number) % 4 / 3.0);
    request.mutable_options()->set_log_probs(true);
    request.mutable_options()->set_max_new_tokens(16);
    request.mutable_options()->set_min_new_tokens(8);
    request.set_execution_path(static_cast<v1::ExecutionPath>(number % 3));  // Unspecified, dense, basis.
    return request;
  }

  // As in a server that has served for a while: what the cache holds then is no growth.
  void FillCache() {
    const auto stub = NewStub();
    for (int step = 0; step < 12; ++step) {
      EXPECT_TRUE(StreamSummarize(*stub, RequestFor("to fill the cache", step / 11.0)).status.ok());
    }
  }
  void RunClient(int client) {
    const auto stub = NewStub();
    for (int number = 0; !stop_; ++number) {
      LoggedReply logged{client, history_.acknowledged(), RequestOf(client, number), {}};
      const StreamedReply streamed = StreamSummarize(*stub, logged.request);
      if (!streamed.status.ok()) {
        ++failed_;
        continue;
      }
      logged.reply = streamed.result;
      history_.Replied(std::move(logged));
    }
  }
  void WatchReadiness() {
    while (!stop_) {
      unready_ += HttpGet(metrics_address_, "/readyz").status != 200;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  void PublishAll() {
    Publisher publisher({grpc_address_}, {});
    CheckpointPtr last = base_;
    Clock::time_point due = Clock::now();
    for (int sequence = 1; sequence <= kCommits; ++sequence) {
      const CheckpointPtr next = Next(*last, sequence);
      std::this_thread::sleep_until(due += kBetweenCommits);
      const auto report = publisher.Publish(*next, last.get());
      ASSERT_OK(report);
      ASSERT_TRUE(report->all_ok()) << report->replicas[0].status;
      history_.Acknowledged(sequence);
      most_resident_ = std::max(most_resident_, ResidentBytes(server_->pid()));
      last = next;
    }
  }

  TempDir directory_;
  RamFolder ram_;
  CheckpointPtr base_;
  std::unique_ptr<Process> server_;
  std::string grpc_address_, metrics_address_;
  History history_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> failed_ = 0, unready_ = 0;
  int64_t most_resident_ = 0;
};

TEST_F(UpdateHistoryTest, EveryReplyIsThatOfTheVersionItNamesWhileVersionsArrive) {
  FillCache();
  std::vector<std::thread> threads;
  for (int client = 0; client < kClients; ++client) threads.emplace_back([this, client] { RunClient(client); });
  threads.emplace_back([this] { WatchReadiness(); });
  EXPECT_TRUE(Eventually([this] { return history_.replies().size() >= 50; }));
  const int64_t resident = ResidentBytes(server_->pid());
  PublishAll();
  stop_ = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed_, 0);
  EXPECT_EQ(unready_, 0);

  const std::vector<LoggedReply> replies = history_.replies();
  std::map<uint64_t, std::vector<const LoggedReply*>> by_version;
  for (const LoggedReply& logged : replies) by_version[logged.reply.parameter_version().sequence()].push_back(&logged);
  EXPECT_OK(CheckOrder(replies));
  EXPECT_GT(by_version.size(), 2u);
  Replayer replayer(*base_);
  CheckpointPtr version = base_;
  for (uint64_t sequence = 0; sequence <= static_cast<uint64_t>(kCommits); ++sequence) {
    if (sequence > 0) version = Next(*version, sequence);
    if (by_version[sequence].empty()) continue;
    ASSERT_OK(replayer.Use(*version));
    for (const LoggedReply* logged : by_version[sequence]) ASSERT_OK(replayer.Check(*logged));
    by_version.erase(sequence);
  }
  for (const auto& [sequence, rest] : by_version) EXPECT_TRUE(rest.empty()) << "version " << sequence;
  if (LongForm()) {
    grpc::ClientContext context;
    v1::GetModelInfoResponse info;
    ASSERT_TRUE(NewStub()->GetModelInfo(&context, {}, &info).ok());
    EXPECT_LE(most_resident_, resident + 2 * info.parameter_bytes());
  }
  std::cout << replies.size() << " replies over " << kCommits << " commits; resident " << resident << " bytes before, "
            << most_resident_ << " at most\n";
}

LoggedReply Logged(int client, uint64_t acknowledged, uint64_t sequence) {
  LoggedReply logged{client, acknowledged, {}, {}};
  logged.reply.mutable_parameter_version()->set_sequence(sequence);
  return logged;
}

TEST(HistoryTest, FindsVersionsThatGoBackAndAcknowledgedOnesThatAreNotServed) {
  EXPECT_OK(CheckOrder({Logged(1, 0, 0), Logged(2, 0, 1), Logged(1, 1, 1), Logged(2, 1, 2)}));
  EXPECT_FALSE(CheckOrder({Logged(1, 0, 2), Logged(1, 0, 1)}).ok());
  EXPECT_FALSE(CheckOrder({Logged(1, 2, 1)}).ok());
}

TEST(HistoryTest, FindsAReplyOfAnotherVersion) {
  TempDir directory;
  const CheckpointPtr base = OpenTiny(directory), next = NextVersion(*base, 1, 1);
  auto server = Server::Start([&] {
    ServerOptions options;
    options.model = directory.File("checkpoint");
    options.listen = options.metrics_listen = "127.0.0.1:0";
    options.threads = 1;
    options.drain_accept_seconds = 0;
    return options;
  }());
  ASSERT_OK(server);
  const auto stub =
      v1::Summarizer::NewStub(grpc::CreateChannel((*server)->grpc_address(), grpc::InsecureChannelCredentials()));
  LoggedReply logged{0, 0, RequestFor("an article", 0.5), {}};
  logged.request.mutable_options()->set_log_probs(true);
  grpc::ClientContext context;
  ASSERT_TRUE(stub->Summarize(&context, logged.request, &logged.reply).ok());
  Replayer replayer(*base);
  ASSERT_OK(replayer.Use(*base));
  EXPECT_OK(replayer.Check(logged));
  LoggedReply changed = logged;
  changed.reply.set_log_probs(0, std::nextafter(changed.reply.log_probs(0), -100.0f));
  EXPECT_FALSE(replayer.Check(changed).ok());
  ASSERT_OK(replayer.Use(*next));
  EXPECT_FALSE(replayer.Check(logged).ok());
  logged.reply.mutable_parameter_version()->set_digest(next->digest);
  EXPECT_FALSE(replayer.Check(logged).ok()) << "the name alone does not make it so";
}

}  // namespace
}  // namespace trimtab
