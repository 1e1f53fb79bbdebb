// trimtab explore as people call it.
#include <algorithm>
#include <filesystem>
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

class ExploreCliTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TempDir>();
    ASSERT_OK(MakeTinyClp(folder_->File("checkpoint")));
    server_ = std::make_unique<ServerProcess>(folder_->File("checkpoint"));
    address_ = server_->address();
    Write("article.txt", kArticle);
    Write("reference.txt", "a short summary of the text\nthat the server reads");
  }
  static void TearDownTestSuite() {
    server_.reset();
    folder_.reset();
  }

  static void Write(const std::string& name, const std::string& text) { std::ofstream(folder_->File(name)) << text; }

  static ProcessResult Explore(std::vector<std::string> arguments) {
    const std::vector<std::string> always = {
        TRIMTAB, "explore", "--server", address_, "--article", folder_->File("article.txt"), "--max-new-tokens", "8"};
    arguments.insert(arguments.begin(), always.begin(), always.end());
    return RunProcess(arguments);
  }

  static inline std::unique_ptr<TempDir> folder_;
  static inline std::unique_ptr<ServerProcess> server_;
  static inline std::string address_;
};

TEST_F(ExploreCliTest, PrintsEachPointAndThenTheFront) {
  const ProcessResult result =
      Explore({"--divisions", "3", "--alpha", "0.2", "--alphas", "2", "--reference", folder_->File("reference.txt")});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("weights 0.6667,0.3333 alpha 0.2\n"));
  EXPECT_THAT(result.out, HasSubstr("weights 1,0 alpha 1 (and 3 equal to it)\n"));
  EXPECT_THAT(result.out, HasSubstr("rouge_lsum_precision "));
  EXPECT_THAT(result.out, HasSubstr("12 weightings, 9 distinct; the front over rouge_lsum_precision and "
                                    "rouge_lsum_recall:\n  * weights "));
}

TEST_F(ExploreCliTest, PrintsJsonLines) {
  const ProcessResult result = Explore({"--json", "--weights", "1,0", "--weights", "0,1", "--weights", "1,0",
                                        "--reference", folder_->File("reference.txt"), "--objective", "rouge_lsum"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  std::vector<json> lines = Lines(result.out);
  ASSERT_EQ(lines.size(), 3u);
  const json front = lines.back();
  lines.pop_back();
  std::sort(lines.begin(), lines.end(), [](const json& a, const json& b) { return a["index"] < b["index"]; });
  EXPECT_EQ(lines[0]["asked"], json::array({0, 2}));
  EXPECT_EQ(lines[0]["weights"], json::array({1.0, 0.0}));
  EXPECT_EQ(lines[1]["coefficients"], json::array({0.0, 1.0, 0.0}));
  EXPECT_TRUE(lines[1]["scores"].contains("rouge_lsum_recall"));
  EXPECT_TRUE(lines[1].contains("summary"));
  EXPECT_EQ(front["points_asked"], 3);
  EXPECT_EQ(front["points_distinct"], 2);
  EXPECT_EQ(front["objectives"], json::array({"rouge_lsum"}));
  EXPECT_FALSE(front["front"].empty());
}

TEST_F(ExploreCliTest, TheDefaultIsAGridOfFiveAndNoFrontWithoutAReference) {
  const ProcessResult result = Explore({});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out,
              HasSubstr("5 weightings, 5 distinct; no front: give --reference, or name scores with --objective\n"));
}

TEST_F(ExploreCliTest, AFrontOverRewardModelsNeedsNoReference) {
  const ServerProcess server(std::string(TRIMTAB_SOURCE_DIR) + "/deploy/models/debian");
  const ProcessResult result =
      RunProcess({TRIMTAB, "explore", "--server", server.address(), "--article", folder_->File("article.txt"),
                  "--weights", "0,1,0", "--weights", "0,0,1", "--objective", "nli", "--objective", "quality"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("2 weightings, 2 distinct; the front over nli and quality:\n"));
}

TEST_F(ExploreCliTest, TheExecutionPathMayBeChosen) {
  for (const std::string path : {"dense", "basis"}) {
    const ProcessResult result = Explore({"--json", "--weights", "0.25,0.75", "--execution-path", path});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(Lines(result.out)[0]["cache"] == "basis", path == "basis") << result.out;
  }
  EXPECT_EQ(Explore({"--execution-path", "sideways"}).exit_code, 2);
}

TEST_F(ExploreCliTest, DrawsTheFront) {
  const std::string plot = folder_->File("front.svg");
  const ProcessResult result =
      Explore({"--divisions", "8", "--reference", folder_->File("reference.txt"), "--plot", plot});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  std::ifstream file(plot);
  const std::string svg(std::istreambuf_iterator<char>(file), {});
  EXPECT_THAT(svg, testing::AllOf(HasSubstr("<svg"), HasSubstr("article.txt at 9 weightings"),
                                  HasSubstr("rouge_lsum_recall"), HasSubstr("</svg>")));
}

TEST_F(ExploreCliTest, WithoutGnuplotItSaysWhatToInstall) {
  const ProcessResult result = RunProcess({"/usr/bin/env", "PATH=/nothing", TRIMTAB, "explore", "--server", address_,
                                           "--article", folder_->File("article.txt"), "--reference",
                                           folder_->File("reference.txt"), "--plot", folder_->File("none.png")});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("install the package gnuplot-nox"));
  EXPECT_THAT(result.out, HasSubstr("5 distinct")) << "what was written is not lost";
}

TEST_F(ExploreCliTest, FaultsAreOneLine) {
  const std::string reference = folder_->File("reference.txt");
  const struct {
    std::vector<std::string> arguments;
    int code;
    const char* named;
  } kCases[] = {
      {{"--divisions", "3", "--weights", "1,0"}, 1, "either"},
      {{"--weights", "1"}, 1, "list.steerings[0].weights"},
      {{"--divisions", "64", "--alphas", "32"}, 1, "grid"},
      {{"--reference", folder_->File("missing.txt")}, 1, "missing.txt"},
      {{"--reference", reference, "--objective", "beauty"}, 1, "objectives[0]"},
      {{"--reference", reference, "--plot", "front.pdf"}, 1, "*.svg or *.png"},
      {{"--reference", reference, "--objective", "rouge_lsum", "--plot", folder_->File("x.svg")}, 1, "two objectives"},
      {{"--objective", "rouge_lsum"}, 1, "no reference"},
      {{"--divisions", "0"}, 2, "--divisions"},
      {{"--alphas", "1"}, 2, "--alphas"},
  };
  for (const auto& c : kCases) {
    const ProcessResult result = Explore(c.arguments);
    EXPECT_EQ(result.exit_code, c.code) << c.named;
    EXPECT_THAT(result.err, HasSubstr(c.named));
    EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
  }
}

}  // namespace
}  // namespace trimtab
