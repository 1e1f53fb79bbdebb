#include "trainer/corpora/corpus.h"

#include <fstream>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"
#include "trainer/corpora/splits.h"

namespace trimtab {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

class CorpusTest : public testing::Test {
 protected:
  absl::StatusOr<std::vector<Example>> Read(const std::string& text) {
    std::ofstream(path_) << text;
    return ReadCorpus(path_);
  }

  TempDir dir_;
  const std::string path_ = dir_.File("corpus.jsonl");
};

TEST_F(CorpusTest, ReadsLinesAndFillsInIdAndFamily) {
  ASSERT_OK_AND_ASSIGN(const auto examples, Read(R"({"document": "d1", "summary": "s1", "other": [1]}

{"id": 7, "document": "d2", "summary": "s2"}
{"id": "x", "family": "f", "document": "d3", "summary": "s3"})"));
  ASSERT_EQ(examples.size(), 3u);
  EXPECT_EQ(examples[0].id, "1");
  EXPECT_EQ(examples[0].document, "d1");
  EXPECT_EQ(examples[0].summary, "s1");
  EXPECT_EQ(examples[1].id, "7");
  EXPECT_EQ(examples[1].family, "7");
  EXPECT_EQ(examples[2].family, "f");
}

TEST_F(CorpusTest, AFaultNamesFileLineAndKey) {
  const std::string good = R"({"id": "a", "document": "d", "summary": "s"})";
  const std::pair<const char*, const char*> cases[] = {
      {"{", ":2"},
      {"[1]", ":2: a array; expected a JSON object"},
      {R"({"id": "b", "summary": "s"})", ":2: document is missing; expected a text"},
      {R"({"id": "b", "document": 3, "summary": "s"})", ":2: document is a number; expected a text"},
      {R"({"id": "b", "document": "d", "summary": " "})", ":2: summary is blank; expected a text"},
      {R"({"id": "a", "document": "d", "summary": "s"})", ":2: id \"a\" was there before"},
      {R"({"id": {}, "document": "d", "summary": "s"})", ":2: id is a object; expected a text"},
  };
  for (const auto& [line, message] : cases) {
    EXPECT_THAT(Read(absl::StrCat(good, "\n", line)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(absl::StrCat(path_, message))));
  }
}

TEST_F(CorpusTest, RefusesACorpusWithoutExamples) {
  EXPECT_THAT(Read("\n"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has no examples")));
  EXPECT_THAT(ReadCorpus(dir_.File("none")), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(CorpusTest, WhatIsWrittenIsReadBack) {
  const std::vector<Example> written = {{"a", "line\n\"two\"", "caf\u00e9", "f"}, {"b", "d", "s", "b"}};
  ASSERT_OK(WriteCorpus(written, path_));
  ASSERT_OK_AND_ASSIGN(const auto read, ReadCorpus(path_));
  ASSERT_EQ(read.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(read[i].id, written[i].id);
    EXPECT_EQ(read[i].document, written[i].document);
    EXPECT_EQ(read[i].summary, written[i].summary);
    EXPECT_EQ(read[i].family, written[i].family);
  }
}

TEST(SplitsTest, AFamilyStaysTogetherAndGrowthMovesNothing) {
  std::vector<Example> examples;
  for (int i = 0; i < 4000; ++i) {
    examples.push_back({absl::StrCat(i), "d", "s", absl::StrCat("family", i / 4)});
  }
  const Splits splits = SplitByFamily(examples);
  EXPECT_NEAR(splits.valid.size(), 200, 70);
  EXPECT_NEAR(splits.test.size(), 200, 70);
  EXPECT_EQ(splits.train.size() + splits.valid.size() + splits.test.size(), 4000u);
  std::set<std::string> held_out;
  for (const Example& example : splits.valid) held_out.insert(example.family);
  for (const Example& example : splits.train) EXPECT_FALSE(held_out.contains(example.family));

  examples.resize(2000);
  for (const Example& example : SplitByFamily(examples).valid) EXPECT_TRUE(held_out.contains(example.family));
}

TEST(SplitsTest, WritesAFileForEachSplit) {
  TempDir dir;
  ASSERT_OK(
      WriteSplits({.train = {{"a", "d", "s", "a"}}, .valid = {{"b", "d", "s", "b"}}, .test = {{"c", "d", "s", "c"}}},
                  dir.File("made")));
  ASSERT_OK_AND_ASSIGN(const auto valid, ReadCorpus(dir.File("made/valid.jsonl")));
  EXPECT_EQ(valid[0].id, "b");
}

TEST(FirstSentenceTest, EndsAtAFullStopBeforeSpaceOrAtTheParagraphsEnd) {
  EXPECT_EQ(FirstSentence("Version 2.5 of it. More."), "Version 2.5 of it.");
  EXPECT_EQ(FirstSentence("A list:\n\n * one. two"), "A list:");
  EXPECT_EQ(FirstSentence("One line\nand another"), "One line\nand another");
  EXPECT_EQ(FirstSentence("All of it."), "All of it.");
}

}  // namespace
}  // namespace trimtab
