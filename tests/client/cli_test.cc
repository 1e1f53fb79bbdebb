// trimtab as people call it, with and without a server.
#include "tests/client/cli.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class CliTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(MakeTinyClp(model())); }
  std::string model() const { return folder_.File("checkpoint"); }

  ProcessResult Trimtab(std::vector<std::string> arguments, const std::string& input = "") const {
    arguments.insert(arguments.begin(), TRIMTAB);
    return RunProcess(arguments, input);
  }
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_.File(name)) << text;
    return folder_.File(name);
  }

  TempDir folder_;
};

class CliOnlineTest : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    server_ = std::make_unique<ServerProcess>(model());
    address_ = server_->address();
  }
  ProcessResult Summarize(std::vector<std::string> arguments, const std::string& input = kArticle) const {
    arguments.insert(arguments.begin(), {"summarize", "--server", address_});
    return Trimtab(arguments, input);
  }

  std::unique_ptr<ServerProcess> server_;
  std::string address_;
};

TEST_F(CliOnlineTest, TheExecutionPathMayBeChosen) {
  for (const std::string path : {"dense", "basis"}) {
    const ProcessResult result = Summarize({"--weights", "0.25,0.75", "--json", "--execution-path", path});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(Lines(result.out)[0]["cache"] == "basis", path == "basis") << result.out;
  }
}

TEST_F(CliOnlineTest, OneWeightingPrintsTheSummaryAlone) {
  const ProcessResult json_result = Summarize({"--weights", "1,0", "--json"});
  ASSERT_EQ(json_result.exit_code, 0) << json_result.err;
  const std::vector<json> records = Lines(json_result.out);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0]["weights"], json::array({1.0, 0.0}));
  EXPECT_EQ(records[0]["cache"], "miss");
  const ProcessResult plain = Summarize({"--weights", "1,0"});
  EXPECT_EQ(plain.exit_code, 0);
  EXPECT_EQ(plain.out, records[0]["summary"].get<std::string>() + "\n");
  const ProcessResult streamed = Summarize({"--weights", "1,0", "--stream"});
  EXPECT_EQ(streamed.exit_code, 0);
  EXPECT_EQ(streamed.out, plain.out);
}

TEST_F(CliOnlineTest, SeveralWeightingsPrintWhatEachCost) {
  const ProcessResult result = Summarize({"--weights", "1,0", "--weights", "0.5,0.5", "--alpha", "0.5"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, testing::AllOf(HasSubstr("weights 1,0 alpha 0.5\n"), HasSubstr("weights 0.5,0.5 alpha 0.5\n"),
                                         HasSubstr("[miss, mix "), HasSubstr("coefficients ")));
  EXPECT_THAT(Summarize({"--weights", "1,0", "--weights", "0.5,0.5", "--alpha", "0.5"}).out, HasSubstr("[hit, mix "));
}

TEST_F(CliOnlineTest, PublishesListsAndActivates) {
  TinyOptions trained;
  trained.seed = 2;
  const std::string next = folder_.File("next");
  ASSERT_OK(MakeTinyClp(next, trained));
  std::filesystem::copy(model() + "/reference.safetensors", next + "/reference.safetensors",
                        std::filesystem::copy_options::overwrite_existing);
  const ProcessResult published = Trimtab({"publish", next, "--server", address_});
  ASSERT_EQ(published.exit_code, 0) << published.err;
  EXPECT_THAT(published.out, testing::AllOf(HasSubstr("epoch 1, sequence 1"), HasSubstr(address_),
                                            HasSubstr("committed, in memory only")));
  EXPECT_THAT(
      Trimtab({"versions", "--server", address_}).out,
      testing::AllOf(HasSubstr("  epoch 0  sequence 0"), HasSubstr("* epoch 1  sequence 1"), HasSubstr("lease: ")));
  const ProcessResult back = Trimtab({"activate", "0", "--server", address_});
  EXPECT_EQ(back.exit_code, 0) << back.err;
  EXPECT_THAT(back.out, HasSubstr("* epoch 0  sequence 0"));
  EXPECT_EQ(Trimtab({"activate", "9", "--server", address_}).exit_code, 1);
  EXPECT_EQ(Trimtab({"publish", "--server", address_}).exit_code, 1);
  EXPECT_EQ(Trimtab({"publish", next, "--server", "127.0.0.1"}).exit_code, 1);
}

TEST_F(CliOnlineTest, OfflineSaysWhatTheServerSays) {
  const std::string file = Write("article.txt", kArticle);
  for (const std::vector<std::string>& flags : {std::vector<std::string>{"--weights", "0.25,0.75"},
                                                {"--named", "r1=1", "--alpha", "0.5"},
                                                {"--num-beams", "3"},
                                                {"--temperature", "1", "--seed", "5"}}) {
    std::vector<std::string> online = {"--article", file, "--json", "--log-probs"};
    online.insert(online.end(), flags.begin(), flags.end());
    std::vector<std::string> offline = {"summarize", "--offline", "--model", model(), "--article", file, "--log-probs"};
    offline.insert(offline.end(), flags.begin(), flags.end());
    const ProcessResult there = Summarize(online);
    const ProcessResult here = Trimtab(offline);
    ASSERT_EQ(there.exit_code, 0) << there.err;
    ASSERT_EQ(here.exit_code, 0) << here.err;
    for (const char* key : {"summary", "token_ids", "coefficients", "alpha", "weights", "log_probs"}) {
      EXPECT_EQ(Lines(here.out)[0][key], Lines(there.out)[0][key]) << key << " with " << flags[0];
    }
  }
}

TEST_F(CliOnlineTest, InfoPrintsWhatIsServed) {
  const ProcessResult text = Trimtab({"info", "--server", address_});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out,
              testing::AllOf(HasSubstr("variant attn"), HasSubstr("reward     r0"), HasSubstr("reward     r1")));
  const ProcessResult as_json = Trimtab({"info", "--server", address_, "--json"});
  const std::vector<json> records = Lines(as_json.out);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0]["rewards"].size(), 2u);
  EXPECT_EQ(records[0]["max_input_tokens"], 512);
}

TEST_F(CliOnlineTest, TheServerMayComeFromTheEnvironment) {
  for (const char* command : {"info", "versions"}) {
    const ProcessResult result = RunProcess({"/usr/bin/env", "TRIMTAB_SERVER=" + address_, TRIMTAB, command});
    EXPECT_EQ(result.exit_code, 0) << result.err;
  }
}

TEST_F(CliOnlineTest, PrewarmsWeightingsSoThatTheirFirstRequestIsAHit) {
  const ProcessResult result = Trimtab({"prewarm", "--server", address_, "--weights", "1,0", "--weights", "0.5,0.5"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "resident  weights 1,0\nresident  weights 0.5,0.5\n");
  EXPECT_EQ(Lines(Summarize({"--weights", "0.5,0.5", "--json"}).out)[0]["cache"], "hit");
  const ProcessResult refused = Trimtab({"prewarm", "--server", address_, "--preset", "nothing"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("weightings[0].preset"));
}

TEST_F(CliOnlineTest, AServerThatIsGoneIsPassedOver) {
  const std::string servers = "127.0.0.1:1," + address_;
  for (int i = 0; i < 4; ++i) {
    const ProcessResult result = Trimtab(
        {"summarize", "--server", servers, "--weights", std::to_string(i / 4.0) + "," + std::to_string(1 - i / 4.0)},
        kArticle);
    EXPECT_EQ(result.exit_code, 0) << result.err;
  }
  EXPECT_EQ(Trimtab({"info", "--server", servers}).exit_code, 0);
}

TEST_F(CliOnlineTest, ARefusedRequestIsOneLineNamingTheFieldAndCodeOne) {
  const ProcessResult result = Summarize({"--weights", "2,0"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("steering.weights"));
  EXPECT_EQ(result.err.find('\n'), result.err.size() - 1);
  EXPECT_THAT(Summarize({}, "").err, HasSubstr("article is empty"));
}

TEST_F(CliTest, OfflineReadsJsonLinesAndKeepsTheirOrder) {
  std::string input;
  for (int i = 0; i < 40; ++i) {
    input +=
        json{{"id", "doc-" + std::to_string(i)}, {"document", std::string(kArticle) + " " + std::to_string(i)}}.dump() +
        "\n";
  }
  const std::string file = Write("in.jsonl", input + "\n");
  const ProcessResult result = Trimtab({"summarize", "--offline", "--model", model(), "--input", file, "--weights",
                                        "1,0", "--weights", "0,1", "--batch-rows", "7"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const std::vector<json> records = Lines(result.out);
  ASSERT_EQ(records.size(), 80u);
  for (int i = 0; i < 80; ++i) {
    EXPECT_EQ(records[i]["id"], "doc-" + std::to_string(i / 2));
    EXPECT_EQ(records[i]["weights"], i % 2 == 0 ? json::array({1.0, 0.0}) : json::array({0.0, 1.0}));
    EXPECT_FALSE(records[i]["token_ids"].empty());
  }
  const ProcessResult alone =
      Trimtab({"summarize", "--offline", "--model", model(), "--input", "-", "--weights", "0,1"},
              input.substr(0, input.find('\n')));
  EXPECT_EQ(Lines(alone.out)[0], records[1]) << "the batch changes nothing";
}

TEST_F(CliTest, OfflineFaultsAreOneLine) {
  const struct {
    std::vector<std::string> arguments;
    const char* named;
  } kCases[] = {
      {{}, "--model"},
      {{"--model", folder_.File("nothing")}, "nothing"},
      {{"--model", model(), "--input", Write("bad.jsonl", "{\"id\": 1}\n")}, "line 1"},
      {{"--model", model(), "--input", Write("worse.jsonl", "{\"document\": \"a\"}\nnot json\n")}, "line 2"},
      {{"--model", model(), "--article", folder_.File("missing.txt")}, "missing.txt"},
      {{"--model", model(), "--article", Write("latin1.txt", "caf\xe9")}, "UTF-8"},
      {{"--model", model(), "--preset", "nothing", "--article", Write("a.txt", "a")}, "preset"},
      {{"--model", model(), "--weights", "0.5", "--article", Write("a.txt", "a")}, "weights"},
      {{"--model", model(), "--top-p", "7", "--article", Write("a.txt", "a")}, "top_p"},
  };
  for (const auto& c : kCases) {
    std::vector<std::string> arguments = {"summarize", "--offline"};
    arguments.insert(arguments.end(), c.arguments.begin(), c.arguments.end());
    const ProcessResult result = Trimtab(arguments);
    EXPECT_EQ(result.exit_code, 1) << c.named;
    EXPECT_THAT(result.err, HasSubstr(c.named));
    EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
  }
}

TEST_F(CliTest, InspectPrintsWhatIsInside) {
  const ProcessResult result = Trimtab({"inspect", model()});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out,
              testing::AllOf(HasSubstr("attn"), HasSubstr("r0"), HasSubstr("r1"), HasSubstr("safetensors")));
  EXPECT_EQ(Trimtab({"inspect", folder_.File("nothing")}).exit_code, 1);
}

TEST_F(CliTest, ImportsASoupAndAPlainT5ThatBothRun) {
  TinyOptions options;
  ASSERT_OK(MakeTinyT5(folder_.File("reference"), options));
  options.varied = *VariantPatterns("attn");
  for (int i = 0; i < 2; ++i) {
    options.set = i + 1;
    ASSERT_OK(MakeTinyT5(folder_.File("tuned" + std::to_string(i)), options));
  }
  const ProcessResult soup = Trimtab({"import", "soup", "--reference", folder_.File("reference"), "--reward",
                                      "first=" + folder_.File("tuned0"), "--reward", "second=" + folder_.File("tuned1"),
                                      "--variant", "attn", "--alpha-min", "0.2", folder_.File("soup")});
  ASSERT_EQ(soup.exit_code, 0) << soup.err;
  const ProcessResult steered =
      Trimtab({"summarize", "--offline", "--model", folder_.File("soup"), "--named", "second=1"}, kArticle);
  ASSERT_EQ(steered.exit_code, 0) << steered.err;
  EXPECT_EQ(Lines(steered.out)[0]["alpha"], 0.2);
  EXPECT_EQ(Lines(steered.out)[0]["coefficients"], json::array({0.0, 1.0, 0.0}));

  ASSERT_EQ(Trimtab({"import", "hf", folder_.File("reference"), folder_.File("plain")}).exit_code, 0);
  const ProcessResult plain = Trimtab({"summarize", "--offline", "--model", folder_.File("plain")}, kArticle);
  ASSERT_EQ(plain.exit_code, 0) << plain.err;
  EXPECT_EQ(Lines(plain.out)[0]["coefficients"], json::array({1.0}));

  EXPECT_EQ(Trimtab({"import", "hf", folder_.File("reference"), folder_.File("plain")}).exit_code, 1) << "not empty";
  const ProcessResult bad = Trimtab({"import", "soup", "--reference", folder_.File("reference"), "--reward", "nofolder",
                                     "--variant", "attn", folder_.File("out")});
  EXPECT_EQ(bad.exit_code, 1);
  EXPECT_THAT(bad.err, HasSubstr("NAME=DIR"));
}

TEST_F(CliTest, TheEmbeddedCheckpointSteers) {
  const std::string pilot = std::string(TRIMTAB_SOURCE_DIR) + "/deploy/models/debian-pilot";
  const ProcessResult result =
      Trimtab({"summarize", "--offline", "--model", pilot, "--preset", "concise", "--preset", "detailed"},
              "GNU sed is a non-interactive stream editor. It reads text from files or standard input, "
              "applies a list of commands to each line and writes the result to standard output.");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const std::vector<json> records = Lines(result.out);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_NE(records[0]["summary"], records[1]["summary"]);
  EXPECT_FALSE(records[1]["summary"].get<std::string>().empty());
}

TEST_F(CliTest, ABadCommandLineIsCodeTwoAndHelpIsZero) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{},
                                                    {"nothing"},
                                                    {"summarize", "--bogus"},
                                                    {"inspect"},
                                                    {"import"},
                                                    {"summarize", "--model", "without-offline"},
                                                    {"summarize", "--timeout", "-1"}}) {
    const ProcessResult result = Trimtab(arguments);
    EXPECT_EQ(result.exit_code, 2) << result.err;
    EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
  }
  EXPECT_EQ(Trimtab({"--help"}).exit_code, 0);
  EXPECT_THAT(Trimtab({"summarize", "--help"}).out, HasSubstr("--no-repeat-ngram-size"));
  EXPECT_THAT(Trimtab({"--version"}).out, testing::MatchesRegex("trimtab [0-9.]+ \\([0-9a-z]+\\)\n"));
}

TEST_F(CliTest, NoServerIsUnavailableAndCodeOne) {
  const ProcessResult result = Trimtab({"info", "--server", "127.0.0.1:1", "--timeout", "2"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("UNAVAILABLE"));
}

}  // namespace
}  // namespace trimtab
