// trimtab-trainer as people run it: beside a live server, killed at any moment, told to pause and to stop.
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/parameters_client.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "model/checkpoint.h"
#include "model/published.h"
#include "nlohmann/json.hpp"
#include "tests/server/event.h"
#include "tests/testing/long_form.h"
#include "tests/testing/process.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"
#include "trimtab/v1/trainer.grpc.pb.h"

namespace trimtab {
namespace {

using nlohmann::json;

class DaemonTest : public testing::Test {
 protected:
  void SetUp() override {
    TinyOptions tiny;
    tiny.variant = "attn";
    ASSERT_OK(MakeTinyClp(folder_.File("start"), tiny));
    std::ofstream corpus(folder_.File("corpus.jsonl"));
    for (int i = 0; i < 7; ++i) {
      corpus << json({{"document", absl::StrCat("a tool that does thing ", i, " and more of it")},
                      {"summary", absl::StrCat("thing ", i)}})
                    .dump()
             << "\n";
    }
  }

  json Config(const std::string& run, int steps) const {
    return {{"out", folder_.File(run)},
            {"start", folder_.File("start")},
            {"corpus", folder_.File("corpus.jsonl")},
            {"rewards",
             {{{"name", "r0"}, {"score", "brevity"}, {"range", {-8, 0}}},
              {{"name", "r1"}, {"score", "rouge_lsum"}, {"range", {0, 50}}}}},
            {"batch", 4},
            {"steps", steps},
            {"max_new_tokens", 6},
            {"learning_rate", 1e-2},
            {"threads", 1},
            {"checkpoint_every", 3}};
  }
  std::vector<std::string> Command(const json& config) const {
    const std::string path = absl::StrCat(config["out"].get<std::string>(), ".json");
    std::ofstream(path) << config.dump();
    return {TRIMTAB_TRAINER, "train", path};
  }
  // A whole run.
  void Train(const json& config) const {
    const ProcessResult result = RunProcess(Command(config));
    ASSERT_EQ(result.exit_code, 0) << result.err;
  }
  Checkpoint Latest(const std::string& run) const {
    absl::StatusOr<Checkpoint> latest = OpenCheckpoint(folder_.File(run + "/latest"));
    EXPECT_OK(latest);
    return latest.value_or(Checkpoint{});
  }
  // The lines of its log but for times.
  std::vector<json> Log(const std::string& run) const {
    std::ifstream file(folder_.File(run + "/log.jsonl"));
    std::vector<json> lines;
    for (std::string line; std::getline(file, line);) {
      json parsed = json::parse(line);
      parsed.erase("seconds");
      lines.push_back(std::move(parsed));
    }
    return lines;
  }

  void StartServer(const std::string& model, const std::string& listen = "127.0.0.1:0") {
    server_ = std::make_unique<Process>(std::vector<std::string>{TRIMTABD, "--model", model, "--listen", listen,
                                                                 "--metrics-listen", "127.0.0.1:0", "--threads", "1",
                                                                 "--log-level", "warning"});
    const std::string line = server_->FirstLine();
    ASSERT_THAT(line, testing::StartsWith("listening grpc=")) << server_->err();
    const size_t begin = line.find('=') + 1;
    address_ = line.substr(begin, line.find(' ', begin) - begin);
  }
  v1::ParameterVersion Active() const {
    const auto held = ParametersClient(address_).ListVersions();
    return held.ok() ? held->active() : v1::ParameterVersion();
  }
  // "<key>=<port>" of the first line.
  static int Port(const std::string& line, const std::string& key) {
    const size_t begin = line.find(key + "=");
    return begin == std::string::npos ? 0 : std::atoi(line.c_str() + begin + key.size() + 1);
  }
  // Begins the run called "run" and starts a server of what it begins with.
  void ServeTheBeginning(const json& config) {
    std::vector<std::string> begin = Command(config);
    begin.push_back("--only-begin");
    ASSERT_EQ(RunProcess(begin).exit_code, 0);
    StartServer(folder_.File("run/latest"));
  }
  static std::unique_ptr<v1::Trainer::Stub> ControlOf(Process& trainer) {
    const std::string address = absl::StrCat("127.0.0.1:", Port(trainer.FirstLine(), "control"));
    return v1::Trainer::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  }
  static v1::TrainerStatus StatusOf(v1::Trainer::Stub& stub) {
    grpc::ClientContext context;
    v1::TrainerStatus status;
    EXPECT_TRUE(stub.GetTrainerStatus(&context, {}, &status).ok());
    return status;
  }

  TempDir folder_;
  std::unique_ptr<Process> server_;
  std::string address_;
};

TEST_F(DaemonTest, ARunStreamsItsVersionsIntoALiveServer) {
  json config = Config("run", 6);
  ASSERT_NO_FATAL_FAILURE(ServeTheBeginning(config));
  const v1::ParameterVersion before = Active();
  config["publish"] = {{"servers", {address_}}, {"every", 2}};
  ASSERT_NO_FATAL_FAILURE(Train(config));
  const v1::ParameterVersion after = Active();
  EXPECT_GT(after.sequence(), before.sequence());
  EXPECT_NE(after.digest(), before.digest());
  EXPECT_EQ(after.digest(), RoundPublished(Latest("run")).digest);
  const std::vector<json> log = Log("run");
  ASSERT_EQ(log.size(), 6u);
  for (const json& line : log) EXPECT_LE(line["log_prob_gap"].get<double>(), 1e-3);
  EXPECT_GT(log[5]["kl"].get<double>(), -50.0);
}

TEST_F(DaemonTest, ARunThatIsKilledAtAnyMomentEndsWithTheSameBitsAsOneThatIsNot) {
  const int steps = Often(18, 60), kills = Often(2, 20);
  ASSERT_NO_FATAL_FAILURE(Train(Config("whole", steps)));
  const json config = Config("killed", steps);
  std::mt19937 random{std::random_device()()};
  for (int kill = 0; kill < kills; ++kill) {
    Process trainer(Command(config));
    const std::string line = trainer.FirstLine();
    ASSERT_THAT(line, testing::StartsWith("training step=")) << trainer.err();
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 400000));
    trainer.Signal(SIGKILL);
    trainer.Wait();
  }
  ASSERT_NO_FATAL_FAILURE(Train(config));
  EXPECT_EQ(Latest("killed").digest, Latest("whole").digest);
  EXPECT_EQ(Log("killed"), Log("whole"));
}

TEST_F(DaemonTest, AServerThatWasAwayGetsTheNewestVersionAndNoStepIsLost) {
  json config = Config("run", 100000);
  config["control"] = "127.0.0.1:0";
  ASSERT_NO_FATAL_FAILURE(ServeTheBeginning(config));
  server_->Signal(SIGKILL);
  server_->Wait();
  config["publish"] = {{"servers", {address_}}, {"every", 1}};
  Process trainer(Command(config));
  const auto stub = ControlOf(trainer);
  ASSERT_TRUE(Eventually([&] { return StatusOf(*stub).step() >= 2 && !StatusOf(*stub).publish_error().empty(); }));
  ASSERT_NO_FATAL_FAILURE(StartServer(folder_.File("run/checkpoints/step-00000000"), address_));
  ASSERT_TRUE(Eventually([&] { return StatusOf(*stub).published_step() >= 2; }));
  grpc::ClientContext context;
  v1::TrainerStatus answer;
  ASSERT_TRUE(stub->StopTraining(&context, {}, &answer).ok());
  EXPECT_EQ(trainer.Wait(), 0) << trainer.err();
  EXPECT_EQ(Active().digest(), RoundPublished(Latest("run")).digest);
  const std::vector<json> log = Log("run");
  for (size_t i = 0; i < log.size(); ++i) EXPECT_EQ(log[i]["step"], i + 1);
}

TEST_F(DaemonTest, WhileARunIsPausedItsStatusFollowsWhatTheServersTook) {
  json config = Config("run", 100000);
  config["control"] = "127.0.0.1:0";
  ASSERT_NO_FATAL_FAILURE(ServeTheBeginning(config));
  config["publish"] = {{"servers", {address_}}, {"every", 1}};
  Process trainer(Command(config));
  const auto stub = ControlOf(trainer);
  ASSERT_TRUE(Eventually([&] { return StatusOf(*stub).step() >= 2; }));
  grpc::ClientContext pause;
  v1::TrainerStatus answer;
  ASSERT_TRUE(stub->PauseTraining(&pause, {}, &answer).ok());
  EXPECT_TRUE(Eventually([&] {
    answer = StatusOf(*stub);
    return answer.published_step() == answer.step();
  })) << answer.DebugString();
}

TEST_F(DaemonTest, ARunPausesResumesAndStopsWhenToldToAndShowsItsSeries) {
  json config = Config("run", 100000);
  config["control"] = "127.0.0.1:0";
  config["metrics"] = "127.0.0.1:0";
  Process trainer(Command(config));
  const std::string line = trainer.FirstLine();
  const std::string control = absl::StrCat("127.0.0.1:", Port(line, "control"));
  EXPECT_NE(Port(line, "metrics"), 0) << line << trainer.err();
  const auto order = [&](const std::string& what) {
    const ProcessResult result = RunProcess({TRIMTAB_TRAINER, "control", what, control});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  };
  EXPECT_THAT(order("pause"), testing::StartsWith("paused"));
  // A step that was under way ends; after it no other begins.
  EXPECT_TRUE(Eventually([&] { return order("status") == order("status"); }));
  EXPECT_THAT(order("resume"), testing::StartsWith("running"));
  trainer.Signal(SIGTERM);
  EXPECT_EQ(trainer.Wait(), 0) << trainer.err();
  EXPECT_EQ(Latest("run").clp.sequence, Log("run").size()) << "a checkpoint of the last step";
}

TEST_F(DaemonTest, AConfigurationThatCannotBeUsedIsRefusedNamingTheKey) {
  json config = Config("run", 3);
  config["batches"] = 4;
  EXPECT_THAT(RunProcess(Command(config)).err, testing::HasSubstr("batches"));
  config = Config("run", 3);
  config["rewards"][0]["score"] = "beauty";
  const ProcessResult result = RunProcess(Command(config));
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, testing::HasSubstr("beauty"));
}

}  // namespace
}  // namespace trimtab
