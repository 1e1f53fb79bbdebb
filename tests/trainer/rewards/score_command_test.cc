#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/mapped_file.h"
#include "nlohmann/json.hpp"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"
#include "trainer/commands/command.h"

namespace trimtab {
namespace {

using ::testing::HasSubstr;

class ScoreCommandTest : public testing::Test {
 protected:
  // Scores the lines by what needs no model; `printed_` is what comes out.
  absl::Status Score(const std::string& lines) {
    const std::string path = dir_.File("texts.jsonl");
    EXPECT_OK(WriteFileAtomically(path, std::as_bytes(std::span(lines))));
    CLI::App app;
    Chosen chosen;
    AddScore(app, &chosen);
    app.parse("score --texts " + path + " --judges " + dir_.path());
    testing::internal::CaptureStdout();
    absl::Status status = chosen();
    printed_ = testing::internal::GetCapturedStdout();
    return status;
  }

  TempDir dir_;
  std::string printed_;
};

TEST_F(ScoreCommandTest, EveryLineGetsItsScores) {
  ASSERT_OK(
      Score("{\"document\": \"a ship sails\", \"summary\": \"ship sails\", \"reference\": \"ship sails\"}\n"
            "{\"document\": \"a ship sails\", \"summary\": \"no\", \"reference\": \"ship sails\"}\n"));
  const std::vector<std::string> lines = absl::StrSplit(printed_, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 2u);
  const auto equal = nlohmann::json::parse(lines[0]), none = nlohmann::json::parse(lines[1]);
  EXPECT_EQ(equal["rouge_lsum"], 100.0);
  EXPECT_EQ(none["rouge_lsum"], 0.0);
  EXPECT_EQ(none["words"], 1.0);
}

TEST_F(ScoreCommandTest, WithoutReferencesScoresThatNeedOneAreLeftOut) {
  ASSERT_OK(Score("{\"document\": \"a ship sails\", \"summary\": \"ship sails\"}\n"));
  const auto scores = nlohmann::json::parse(printed_);
  EXPECT_FALSE(scores.contains("rouge_lsum"));
  EXPECT_TRUE(scores.contains("grounding"));
}

TEST_F(ScoreCommandTest, ALineThatLacksATextIsNamed) {
  const absl::Status status = Score("{\"document\": \"a ship sails\"}\n");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("texts.jsonl:1"));
  EXPECT_EQ(printed_, "");
}

}  // namespace
}  // namespace trimtab
