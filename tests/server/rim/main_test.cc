// trimtabd as an operator meets it: exit codes, one line for each fault, and in time.
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

class MainTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(MakeTinyClp(model())); }

  std::string model() const { return folder_.File("checkpoint"); }

  static ProcessResult Trimtabd(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), TRIMTABD);
    return RunProcess(arguments);
  }
  std::vector<std::string> Serve() const {
    return {TRIMTABD,      "--model",          model(),       "--listen",
            "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--drain-accept-seconds",
            "0",           "--log-format",     "json"};
  }

  TempDir folder_;
};

TEST_F(MainTest, ServesUntilASignalAndThenExitsWithZero) {
  for (const int signal : {SIGTERM, SIGINT}) {
    Process server(Serve());
    EXPECT_THAT(server.FirstLine(), testing::MatchesRegex("listening grpc=127.0.0.1:[0-9]+ metrics=127.0.0.1:[0-9]+"));
    server.Signal(signal);
    EXPECT_EQ(server.Wait(), 0);
    EXPECT_THAT(server.err(), HasSubstr("\"message\":\"draining"));
  }
}

TEST_F(MainTest, ASecondSignalEndsALongDrain) {
  std::vector<std::string> arguments = Serve();
  arguments[8] = "60";
  Process server(arguments);
  ASSERT_THAT(server.FirstLine(), StartsWith("listening"));
  server.Signal(SIGTERM);
  while (server.err().find("draining") == std::string::npos) {
  }
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), -1);
}

TEST_F(MainTest, CheckSaysOkForAGoodCheckpoint) {
  const ProcessResult result = Trimtabd({"--model", model(), "--check"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, testing::AllOf(StartsWith("ok: "), HasSubstr("2 rewards")));
}

TEST_F(MainTest, PrintsItsConfigurationAndVersion) {
  const ProcessResult config = Trimtabd({"--model", "somewhere", "--print-config"});
  EXPECT_EQ(config.exit_code, 0);
  EXPECT_THAT(config.out, testing::AllOf(HasSubstr("model=\"somewhere\""), HasSubstr("max-queue=256")));
  const ProcessResult version = Trimtabd({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.out, testing::MatchesRegex("trimtabd [0-9.]+ \\([0-9a-z]+\\)\n"));
}

TEST_F(MainTest, ABrokenCheckpointIsOneLineAndCodeTwoWithinTwoSeconds) {
  const auto write = [](const std::string& path, const std::string& text) { std::ofstream(path) << text; };
  const struct {
    const char* what;
    std::function<void(const std::string& model)> spoil;
  } kCases[] = {
      {"no folder", [](const std::string& m) { fs::remove_all(m); }},
      {"an empty folder",
       [](const std::string& m) {
         fs::remove_all(m);
         fs::create_directory(m);
       }},
      {"no config.json", [](const std::string& m) { fs::remove(m + "/config.json"); }},
      {"no tokenizer", [](const std::string& m) { fs::remove(m + "/spiece.model"); }},
      {"a tokenizer of noise", [&](const std::string& m) { write(m + "/spiece.model", std::string(1000, '\xfe')); }},
      {"clp.json cut off", [](const std::string& m) { fs::resize_file(m + "/clp.json", 20); }},
      {"clp.json of another kind", [&](const std::string& m) { write(m + "/clp.json", "[]"); }},
      {"shared tensors cut off",
       [](const std::string& m) {
         fs::resize_file(m + "/shared.safetensors", fs::file_size(m + "/shared.safetensors") / 2);
       }},
      {"an empty tensor file", [](const std::string& m) { fs::resize_file(m + "/shared.safetensors", 0); }},
      {"a lying tensor header",
       [&](const std::string& m) { write(m + "/shared.safetensors", std::string(8, '\x7f') + "{}"); }},
      {"a pipe for tensors",
       [](const std::string& m) {
         fs::remove(m + "/shared.safetensors");
         ASSERT_EQ(mkfifo((m + "/shared.safetensors").c_str(), 0600), 0);
       }},
      {"a folder for config.json",
       [](const std::string& m) {
         fs::remove(m + "/config.json");
         fs::create_directory(m + "/config.json");
       }},
      {"a tokenizer without end",
       [](const std::string& m) {
         fs::remove(m + "/spiece.model");
         fs::create_symlink("/dev/zero", m + "/spiece.model");
       }},
      {"a reward without tensors", [](const std::string& m) { fs::remove(m + "/conditioned/r1.safetensors"); }},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.what);
    TempDir folder;
    const std::string broken = folder.File("checkpoint");
    fs::copy(model(), broken, fs::copy_options::recursive);
    c.spoil(broken);
    for (const bool check : {true, false}) {
      std::vector<std::string> arguments = {"--model",          broken,       "--listen", "127.0.0.1:0",
                                            "--metrics-listen", "127.0.0.1:0"};
      if (check) arguments.push_back("--check");
      const ProcessResult result = Trimtabd(arguments);
      EXPECT_EQ(result.exit_code, 2);
      EXPECT_EQ(result.out, "");
      EXPECT_THAT(result.err, StartsWith("trimtabd: "));
      EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
      EXPECT_LT(result.seconds, 2.0);
    }
  }
}

TEST_F(MainTest, BadOptionsForAGoodCheckpointAreCodeTwoToo) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> kCases = {
      {{"--cache-bytes", "16"}, "one mixture"},
      {{"--reward-range", "nobody=0:1"}, "nobody"},
      {{"--bogus"}, "--bogus"},
      {{"--max-queue", "-1"}, "--max-queue"},
  };
  for (const auto& [extra, named] : kCases) {
    std::vector<std::string> arguments = {"--model", model(), "--check"};
    arguments.insert(arguments.end(), extra.begin(), extra.end());
    const ProcessResult result = Trimtabd(arguments);
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.err, HasSubstr(named));
    EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
  }
}

TEST_F(MainTest, APortInUseIsCodeOne) {
  Process first(Serve());
  const std::string line = first.FirstLine();
  ASSERT_THAT(line, StartsWith("listening"));
  const std::string address = line.substr(line.find('=') + 1, line.find(" metrics") - line.find('=') - 1);
  const ProcessResult second = Trimtabd({"--model", model(), "--listen", address, "--metrics-listen", "127.0.0.1:0"});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(second.err, HasSubstr(address));
}

}  // namespace
}  // namespace trimtab
