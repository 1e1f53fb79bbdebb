// trimtab bench as people call it.
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/client/cli.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class BenchCliTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TempDir>();
    ASSERT_OK(MakeTinyClp(folder_->File("checkpoint")));
    server_ = std::make_unique<ServerProcess>(folder_->File("checkpoint"));
    std::ofstream(folder_->File("article.txt")) << kArticle;
    std::ofstream(folder_->File("articles.jsonl")) << R"({"document": "some text"})"
                                                   << "\n"
                                                   << R"({"document": "another"})"
                                                   << "\n";
  }
  static void TearDownTestSuite() {
    server_.reset();
    folder_.reset();
  }

  static ProcessResult Bench(std::vector<std::string> arguments) {
    const std::vector<std::string> always = {TRIMTAB, "bench", "--server", server_->address(), "--max-new-tokens", "6"};
    arguments.insert(arguments.begin(), always.begin(), always.end());
    return RunProcess(arguments);
  }
  static std::string Article() { return folder_->File("article.txt"); }

  static inline std::unique_ptr<TempDir> folder_;
  static inline std::unique_ptr<ServerProcess> server_;
};

TEST_F(BenchCliTest, AClosedLoopOfSoManyRequestsReportsEachOfThem) {
  const ProcessResult result = Bench({"--article", Article(), "--concurrency", "4", "--requests", "40", "--warmup", "0",
                                      "--stream-share", "0.5", "--weightings", "3", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  ASSERT_EQ(Lines(result.out).size(), 1u);
  const json report = Lines(result.out)[0];
  EXPECT_EQ(report["requests"], 40);
  EXPECT_EQ(report["codes"]["OK"], 40);
  EXPECT_EQ(report["latency"]["count"], 40);
  EXPECT_GT(report["goodput"], 0.0);
  const int streamed = report["first_token"]["count"];
  EXPECT_THAT(streamed, testing::AllOf(testing::Gt(5), testing::Lt(35)));
  EXPECT_LE(report["latency"]["p50"], report["latency"]["max"]);
  int outcomes = 0;
  for (const auto& [name, count] : report["cache"].items()) outcomes += count.get<int>();
  EXPECT_EQ(outcomes, 40);
}

TEST_F(BenchCliTest, AnOpenLoopSendsByItsSeed) {
  std::vector<int> sent;
  for (const std::string seed : {"5", "5"}) {
    const ProcessResult result =
        Bench({"--input", folder_->File("articles.jsonl"), "--rate", "200", "--duration", "0.2", "--warmup", "0.05",
               "--weights", "1,0", "--weights", "0,1", "--zipf", "1", "--load-seed", seed, "--seed", "7", "--json"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    sent.push_back(Lines(result.out)[0]["requests"]);
  }
  EXPECT_GT(sent[0], 10);
  EXPECT_EQ(sent[0], sent[1]);
}

TEST_F(BenchCliTest, AServerThatCannotBeAskedForItsModelIsAFault) {
  const ProcessResult result =
      Bench({"--article", Article(), "--requests", "5", "--warmup", "0", "--timeout", "0.000001"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("DEADLINE_EXCEEDED"));
}

TEST_F(BenchCliTest, WhatIsNotOverloadIsAFaultAfterTheReport) {
  const ProcessResult result = Bench({"--article", Article(), "--weights", "1", "--requests", "3", "--warmup", "0"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("INVALID_ARGUMENT 3"));
  EXPECT_THAT(result.err, HasSubstr("steering.weights"));
  EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
}

TEST_F(BenchCliTest, FaultsOfTheCommandLineAreOneLine) {
  const struct {
    std::vector<std::string> arguments;
    int code;
    const char* named;
  } kCases[] = {
      {{"--article", Article(), "--weightings", "3", "--weights", "1,0"}, 1, "--weightings"},
      {{"--article", folder_->File("missing.txt")}, 1, "missing.txt"},
      {{"--article", Article(), "--input", Article()}, 2, "--article"},
      {{"--article", Article(), "--rate", "0"}, 2, "--rate"},
      {{"--article", Article(), "--stream-share", "2"}, 2, "--stream-share"},
  };
  for (const auto& c : kCases) {
    const ProcessResult result = Bench(c.arguments);
    EXPECT_EQ(result.exit_code, c.code) << c.named;
    EXPECT_THAT(result.err, HasSubstr(c.named));
    EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
  }
}

}  // namespace
}  // namespace trimtab
