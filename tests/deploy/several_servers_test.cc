// Three trimtabd, behind nginx as deploy/nginx configures it and behind the client's own choice: requests that need the
// same mixed weights stay with one server, whatever happens to the others.
#include <arpa/inet.h>
#include <httplib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <iterator>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "client/parameters_client.h"
#include "client/publisher.h"
#include "client/summarizer_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/checkpoint.h"
#include "tests/server/publication.h"
#include "tests/testing/process.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"
#include "trimtab/v1/summarizer.grpc.pb.h"

namespace trimtab {
namespace {

using testing::Each;
using testing::Ge;

constexpr int kServers = 3, kKeys = 300, kCallers = 8;

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  close(fd);
  return ntohs(address.sin_port);
}

std::string Read(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// One trimtabd that says what its cache did.
class Trimtabd {
 public:
  // With `state`, versions survive there.
  explicit Trimtabd(const std::string& model, const std::string& state = "", const std::string& listen = "127.0.0.1:0")
      : process_({TRIMTABD, "--model", model, "--listen", listen, "--metrics-listen", "127.0.0.1:0", "--threads", "1",
                  "--deterministic", "--log-level", "warning", "--state-dir", state}) {}

  // Waits until it is ready.
  bool Ready() {
    const std::vector<std::string> words = absl::StrSplit(process_.FirstLine(), absl::ByAnyChar(" ="));
    if (words.size() != 5) return false;
    grpc_ = words[2];
    metrics_ = words[4];
    return true;
  }
  const std::string& grpc() const { return grpc_; }
  int hits() const { return Metric("trimtab_mix_cache_hits_total "); }
  int misses() const { return Metric("trimtab_mix_cache_misses_total "); }
  void Kill() {
    process_.Signal(SIGKILL);
    process_.Wait();
  }

 private:
  int Metric(absl::string_view series) const {
    const auto reply = httplib::Client("http://" + metrics_).Get("/metrics");
    if (!reply) return -1;
    for (const absl::string_view line : absl::StrSplit(reply->body, '\n')) {
      double value = 0.0;
      if (line.substr(0, series.size()) == series && absl::SimpleAtod(line.substr(series.size()), &value)) {
        return static_cast<int>(value);
      }
    }
    return -1;
  }

  Process process_;
  std::string grpc_, metrics_;
};

class SeveralServersTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(MakeTinyClp(folder_.File("checkpoint")));
    for (int i = 0; i < kServers; ++i) {
      servers_.push_back(std::make_unique<Trimtabd>(folder_.File("checkpoint"), State(i)));
    }
    for (const auto& server : servers_) ASSERT_TRUE(server->Ready());
  }

  std::string State(int server) const { return folder_.File(absl::StrCat("state", server)); }

  // nginx with the example's configuration, for our ports; returns its address, or
  // nothing.
  std::string StartNginx() {
    const std::string listen = absl::StrCat("127.0.0.1:", FreePort());
    std::string conf = Read(std::string(TRIMTAB_SOURCE_DIR) + "/deploy/nginx/trimtab.conf");
    const int replaced = absl::StrReplaceAll({{"127.0.0.1:50050", listen},
                                              {"127.0.0.1:50051", servers_[0]->grpc()},
                                              {"127.0.0.1:50052", servers_[1]->grpc()},
                                              {"127.0.0.1:50053", servers_[2]->grpc()}},
                                             &conf);
    EXPECT_EQ(replaced, 1 + kServers);
    std::ofstream(folder_.File("trimtab.conf")) << conf;
    // One process, so that it ends with the test, and nothing outside the folder.
    std::string main = "daemon off; master_process off; pid nginx.pid; events {} http { access_log off; ";
    for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
      absl::StrAppend(&main, kind, "_temp_path ", kind, "; ");
    }
    std::ofstream(folder_.File("nginx.conf")) << main << "include trimtab.conf; }\n";
    nginx_ = std::make_unique<Process>(
        std::vector<std::string>{NGINX, "-p", folder_.path(), "-c", folder_.File("nginx.conf"), "-e", "stderr"});
    const ClientOptions patient = {
        .max_attempts = 200, .initial_backoff = absl::Milliseconds(10), .max_backoff = absl::Milliseconds(50)};
    const absl::Status status = SummarizerClient(listen, patient).GetModelInfo().status();
    EXPECT_OK(status) << nginx_->err();
    return status.ok() ? listen : "";
  }

  // One request for each of kKeys mixtures, several at a time; returns how many failed.
  static int AskAll(const SummarizerClient& client) {
    std::atomic<int> next = 0, failed = 0;
    std::vector<std::thread> callers;
    for (int t = 0; t < kCallers; ++t) {
      callers.emplace_back([&] {
        for (int i = next++; i < kKeys; i = next++) {
          v1::SummarizeRequest request;
          request.set_article("a short text");
          request.mutable_options()->set_max_new_tokens(1);
          request.mutable_steering()->add_weights(i / double{kKeys});
          request.mutable_steering()->add_weights(1.0 - i / double{kKeys});
          const auto reply = client.Summarize(request);
          EXPECT_OK(reply) << i;
          failed += !reply.ok();
        }
      });
    }
    for (std::thread& caller : callers) caller.join();
    return failed;
  }

  std::vector<int> Hits() const {
    std::vector<int> hits;
    for (const auto& server : servers_) hits.push_back(server->hits());
    return hits;
  }
  std::vector<int> Misses() const {
    std::vector<int> misses;
    for (const auto& server : servers_) misses.push_back(server->misses());
    return misses;
  }

  // Each key asked twice, then once more without the first server.
  void ExpectStickyKeys(const SummarizerClient& client) {
    EXPECT_EQ(AskAll(client), 0);
    const std::vector<int> keys = Misses();  // Of each server: each key was made by one of them.
    EXPECT_EQ(std::accumulate(keys.begin(), keys.end(), 0), kKeys);
    EXPECT_THAT(keys, Each(Ge(kKeys / 6))) << "spread over all";
    EXPECT_EQ(AskAll(client), 0);
    EXPECT_EQ(Hits(), keys) << "each came back to where it had been";
    EXPECT_EQ(Misses(), keys);

    servers_[0]->Kill();
    EXPECT_EQ(AskAll(client), 0) << "no call fails";
    EXPECT_EQ(servers_[1]->hits(), 2 * keys[1]) << "keys of living servers stay";
    EXPECT_EQ(servers_[2]->hits(), 2 * keys[2]);
    EXPECT_EQ(servers_[1]->misses() + servers_[2]->misses(), kKeys) << "those of the dead one have a new home";
    EXPECT_THAT((std::vector<int>{servers_[1]->misses() - keys[1], servers_[2]->misses() - keys[2]}), Each(Ge(5)))
        << "and are spread";
  }

  TempDir folder_;
  std::vector<std::unique_ptr<Trimtabd>> servers_;
  std::unique_ptr<Process> nginx_;
};

TEST_F(SeveralServersTest, BehindNginxEachMixtureHasOneServer) {
  const std::string nginx = StartNginx();
  ASSERT_NE(nginx, "");
  ASSERT_NO_FATAL_FAILURE(ExpectStickyKeys(SummarizerClient(nginx)));
}

TEST_F(SeveralServersTest, TheClientGivesEachMixtureOneServer) {
  const ClientOptions options = {.failed_server_pause = absl::Seconds(60)};
  ASSERT_NO_FATAL_FAILURE(ExpectStickyKeys(SummarizerClient(
      absl::StrCat(servers_[0]->grpc(), ",", servers_[1]->grpc(), ",", servers_[2]->grpc()), options)));
}

// Summaries asked for through nginx, without a pause, by callers that try again; until this goes.
class SteadyLoad {
 public:
  explicit SteadyLoad(const std::string& address) : client_(address, {.max_attempts = 20}) {
    for (int t = 0; t < kCallers; ++t) callers_.emplace_back([this, t] { Ask(t); });
  }
  ~SteadyLoad() {
    over_ = true;
    for (std::thread& caller : callers_) caller.join();
    EXPECT_EQ(lost_, 0);
  }
  // Waits for answers of as many more requests.
  void Await(int more) {
    for (const int until = answered_ + more; answered_ + lost_ < until;) std::this_thread::yield();
  }

 private:
  void Ask(int caller) {
    for (int i = caller; !over_; i += kCallers) {
      v1::SummarizeRequest request;
      request.set_article("a short text");
      request.mutable_options()->set_max_new_tokens(4);
      request.mutable_steering()->add_weights(i % kKeys / double{kKeys});
      request.mutable_steering()->add_weights(1.0 - i % kKeys / double{kKeys});
      const absl::Status status = client_.Summarize(request).status();
      EXPECT_OK(status);
      ++(status.ok() ? answered_ : lost_);
    }
  }

  const SummarizerClient client_;
  std::atomic<bool> over_ = false;
  std::atomic<int> answered_ = 0, lost_ = 0;
  std::vector<std::thread> callers_;
};

TEST_F(SeveralServersTest, OneThatIsKilledUnderLoadLosesNoRequestAndCatchesUpWhenItIsBack) {
  const std::string nginx = StartNginx();
  ASSERT_NE(nginx, "");
  ASSERT_OK_AND_ASSIGN(const Checkpoint base, OpenCheckpoint(folder_.File("checkpoint")));
  std::vector<CheckpointPtr> versions;
  for (const uint64_t sequence : {1, 2, 3}) {
    versions.push_back(NextVersion(versions.empty() ? base : *versions.back(), 1, sequence, false, 1, &base));
  }
  const std::string home = servers_[0]->grpc();
  Publisher trainer({home, servers_[1]->grpc(), servers_[2]->grpc()},
                    {.holder = "trainer", .client = {.call_timeout = absl::Seconds(2)}});
  SteadyLoad load(nginx);
  load.Await(50);
  ASSERT_OK_AND_ASSIGN(const PublishReport first, trainer.Publish(*versions[0], nullptr));
  EXPECT_TRUE(first.all_ok());

  servers_[0]->Kill();
  load.Await(50);
  ASSERT_OK_AND_ASSIGN(const PublishReport second, trainer.Publish(*versions[1], versions[0].get()));
  EXPECT_FALSE(second.replicas[0].status.ok());
  EXPECT_OK(second.replicas[1].status);
  EXPECT_OK(second.replicas[2].status);

  servers_[0] = std::make_unique<Trimtabd>(folder_.File("checkpoint"), State(0), home);
  ASSERT_TRUE(servers_[0]->Ready());
  const ParametersClient back(home);
  ASSERT_OK_AND_ASSIGN(v1::ListVersionsResponse held, back.ListVersions());
  EXPECT_EQ(held.active().digest(), first.version.digest()) << "what it had acknowledged";
  ASSERT_OK(back.CatchUp(ParametersClient(servers_[1]->grpc()), ""));
  ASSERT_OK_AND_ASSIGN(held, back.ListVersions());
  EXPECT_EQ(held.active().SerializeAsString(), second.version.SerializeAsString()) << "from its peer";
  ASSERT_OK_AND_ASSIGN(const PublishReport third, trainer.Publish(*versions[2], versions[1].get()));
  EXPECT_TRUE(third.all_ok());
  EXPECT_FALSE(third.replicas[0].whole) << "a delta is enough again";
  load.Await(50);
}

TEST_F(SeveralServersTest, NginxSaysUnavailableWhereNoServerIsLeft) {
  const std::string nginx = StartNginx();
  ASSERT_NE(nginx, "");
  for (const auto& server : servers_) server->Kill();
  EXPECT_THAT(SummarizerClient(nginx, {.max_attempts = 1}).GetModelInfo(),
              StatusIs(absl::StatusCode::kUnavailable, testing::HasSubstr("no server can be reached")));
}

TEST_F(SeveralServersTest, NginxSpreadsCallsWithoutAKeyAndKeepsAdminToItself) {
  const std::string nginx = StartNginx();
  ASSERT_NE(nginx, "");
  const SummarizerClient client(nginx);
  EXPECT_THAT(client.Prewarm({v1::Steering()}), StatusIs(absl::StatusCode::kUnimplemented));
  const auto stub = v1::Summarizer::NewStub(grpc::CreateChannel(nginx, grpc::InsecureChannelCredentials()));
  v1::SummarizeRequest request;
  request.set_article("a short text");
  request.mutable_options()->set_max_new_tokens(1);
  for (int i = 0; i < 60; ++i) {
    grpc::ClientContext context;
    v1::SummarizeResponse reply;
    ASSERT_TRUE(stub->Summarize(&context, request, &reply).ok());
  }
  EXPECT_THAT(Misses(), Each(1)) << "one weighting, asked of all servers";
}

}  // namespace
}  // namespace trimtab
