// trimtabd where the system gives it little memory: it refuses what does not fit, and lives.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "server/rim/memory_allowance.h"
#include "tests/server/event.h"
#include "tests/server/rim/server_fixture.h"
#include "tests/testing/process.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

class MemoryLimitTest : public ServerFixture {
 protected:
  void SetUp() override { ASSERT_OK(MakeTinyClp(model(), SlowModel())); }
  std::string model() const { return model_.File("checkpoint"); }

  std::vector<std::string> Serve() const {
    return {TRIMTABD,
            "--model",
            model(),
            "--listen",
            "127.0.0.1:0",
            "--metrics-listen",
            "127.0.0.1:0",
            "--drain-accept-seconds",
            "0",
            "--max-new-tokens",
            "1024",
            "--threads",
            "1"};
  }
  // The same with RLIMIT_DATA.
  std::vector<std::string> ServeWithin(int64_t bytes) const {
    std::vector<std::string> command = Serve();
    command.insert(command.begin(), {"/bin/sh", "-c", absl::StrCat("ulimit -d ", bytes >> 10, "; exec \"$0\" \"$@\"")});
    return command;
  }
  static int64_t DataOf(const Process& process) {
    std::ifstream file(absl::StrCat("/proc/", process.pid(), "/status"));
    return ParseProcessMemory(std::string(std::istreambuf_iterator<char>(file), {})).data;
  }
  // What a server takes that has no limit, nothing to do, and one row.
  int64_t IdleData() const {
    std::vector<std::string> command = Serve();
    command.insert(command.end(), {"--max-batch-rows", "1"});
    Process server(command);
    EXPECT_THAT(server.FirstLine(), testing::StartsWith("listening"));
    return DataOf(server);
  }
};

// "listening grpc=HOST:PORT metrics=HOST:PORT"
std::string AddressIn(const std::string& line, const std::string& name) {
  for (const absl::string_view word : absl::StrSplit(line, ' ')) {
    const std::pair<std::string, std::string> entry = absl::StrSplit(word, absl::MaxSplits('=', 1));
    if (entry.first == name) return entry.second;
  }
  return "";
}

int RefusedForMemory(const std::string& address) {
  const std::string body = HttpGet(address, "/metrics").body;
  const std::pair<std::string, std::string> at =
      absl::StrSplit(body, absl::MaxSplits("\ntrimtab_requests_rejected_total{reason=\"memory\"} ", 1));
  return std::atoi(at.second.c_str());
}

// Callers on connections of their own, who want much and leave together.
class Flood {
 public:
  Flood(const std::string& address, int connections, int calls_each, const v1::SummarizeRequest& request)
      : calls_(connections * calls_each) {
    for (int i = 0; i < connections; ++i) {
      grpc::ChannelArguments own;
      own.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
      stubs_.push_back(
          v1::Summarizer::NewStub(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), own)));
    }
    for (size_t i = 0; i < calls_.size(); ++i) {
      Call& call = calls_[i];
      stubs_[i % stubs_.size()]->async()->Summarize(&call.context, &request, &call.reply, [&call](grpc::Status status) {
        call.status = std::move(status);
        call.done.Set();
      });
    }
  }
  // Of those that have ended, how many the server refused.
  int Refused() {
    return static_cast<int>(std::ranges::count_if(calls_, [](Call& call) {
      return call.done.IsSet() && call.status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED;
    }));
  }
  // How all ended.
  std::vector<grpc::Status> Leave() {
    std::vector<grpc::Status> ends;
    for (Call& call : calls_) call.context.TryCancel();
    for (Call& call : calls_) {
      call.done.Wait();
      ends.push_back(call.status);
    }
    return ends;
  }

 private:
  struct Call {
    grpc::ClientContext context;
    v1::SummarizeResponse reply;
    grpc::Status status;
    Event done;
  };
  std::vector<std::unique_ptr<Stub>> stubs_;
  std::vector<Call> calls_;
};

TEST_F(MemoryLimitTest, AFloodBeyondItIsRefusedWithATimeToTryAgainAndTheServerLives) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer's own memory is far beyond any limit";
#endif
  Process server(ServeWithin(IdleData() + 32 * kMiB));
  const std::string line = server.FirstLine();
  ASSERT_THAT(line, testing::StartsWith("listening")) << server.err();
  EXPECT_THAT(server.err(), testing::HasSubstr("RLIMIT_DATA"));
  const std::string address = AddressIn(line, "grpc");
  Flood flood(address, /*connections=*/12, /*calls_each=*/40, SlowRequest());
  // Counted by the server before the callers hear of it; who leaves between is cancelled.
  EXPECT_TRUE(Eventually([&] { return flood.Refused() >= 100; }));
  EXPECT_GE(RefusedForMemory(AddressIn(line, "metrics")), 100);
  int refused = 0;
  for (const grpc::Status& end : flood.Leave()) {
    if (end.error_code() == grpc::StatusCode::CANCELLED || end.ok()) continue;
    ASSERT_EQ(end.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << end.error_message();
    google::rpc::Status rich;
    ASSERT_TRUE(rich.ParseFromString(end.error_details()));
    EXPECT_THAT(rich.ShortDebugString(), testing::HasSubstr("RetryInfo"));
    ++refused;
  }
  EXPECT_GE(refused, 100);
  const auto stub = v1::Summarizer::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  EXPECT_TRUE(Eventually([&] {  // When those who left have been noticed.
    v1::SummarizeResponse reply;
    grpc::ClientContext context;
    return stub->Summarize(&context, RequestFor("an article", 0.5), &reply).ok();
  }));
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0) << server.err();
}

TEST_F(MemoryLimitTest, OneThatIsTooSmallForTheModelIsOneLineAndCodeTwo) {
  const int64_t idle = IdleData();
  std::vector<std::vector<std::string>> commands = {ServeWithin(idle - 16 * kMiB), Serve(), Serve()};
  commands[1].insert(commands[1].end(), {"--memory-limit", "30MiB"});
  commands[2].insert(commands[2].end(), {"--memory-limit", "1MiB", "--check"});
  for (const std::vector<std::string>& command : commands) {
    const ProcessResult result = RunProcess(command);
    EXPECT_EQ(result.exit_code, 2) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, testing::AllOf(testing::StartsWith("trimtabd: "), testing::HasSubstr("too little")));
    EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
  }
}

}  // namespace
}  // namespace trimtab
