#include "trainer/corpora/constructed_pairs.h"

#include <algorithm>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"
#include "trainer/corpora/nearest_summary.h"
#include "trainer/corpora/spoil.h"

namespace trimtab {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> SortedWords(const std::string& text) {
  std::vector<std::string> words = absl::StrSplit(text, ' ');
  std::sort(words.begin(), words.end());
  return words;
}

// Boats that trim sails and editors that edit text, ten of each in families of their own.
std::vector<Example> Examples() {
  std::vector<Example> examples;
  for (int i = 0; i < 10; ++i) {
    const std::string id = absl::StrCat("boat", i);
    examples.push_back({id, absl::StrCat("The boat Skiff", i, " trims ", i + 10, " sails. It is fast."),
                        absl::StrCat("boat Skiff", i, " that trims ", i + 10, " sails"), id});
  }
  for (int i = 0; i < 10; ++i) {
    const std::string id = absl::StrCat("editor", i);
    examples.push_back({id, absl::StrCat("An editor named Quill", i, " edits text. It is slow."),
                        absl::StrCat("editor Quill", i, " of plain text"), id});
  }
  return examples;
}

TEST(SpoilTest, EachChangesOneThing) {
  Dice dice("x", 1);
  EXPECT_EQ(ChangeNumber("sorts 12 files", "of 12 or 34", dice), "sorts 34 files");
  const auto digit = ChangeNumber("sorts 12 files", "of 12", dice);
  ASSERT_TRUE(digit.has_value());
  EXPECT_NE(*digit, "sorts 12 files");
  EXPECT_THAT(*digit, HasSubstr("sorts 1"));
  EXPECT_EQ(ChangeNumber("sorts files", "of 12", dice), std::nullopt);

  EXPECT_EQ(ChangeName("client of MySQL", "MySQL is", "Like PostgreSQL it is", dice), "client of PostgreSQL");
  EXPECT_EQ(ChangeName("Client of a database", "d", "uses PostgreSQL", dice), std::nullopt);
  EXPECT_EQ(ChangeName("client of MySQL", "MySQL or PostgreSQL", "uses PostgreSQL", dice), std::nullopt);
}

TEST(SpoilTest, TruncatedRepeatedAndShuffledTextsAreWhatTheyAreCalled) {
  const std::string text = "one two three four five";
  for (int i = 0; i < 50; ++i) {
    Dice dice(absl::StrCat(i), 1);
    const std::string cut = *Truncate(text, dice);
    EXPECT_TRUE(cut == "one" || cut == "one two") << cut;
    EXPECT_GE(SortedWords(*Repeat(text, dice)).size(), 7u);
    const std::string shuffled = *Shuffle(text, dice);
    EXPECT_NE(shuffled, text);
    EXPECT_EQ(SortedWords(shuffled), SortedWords(text));
  }
  Dice dice("x", 1);
  EXPECT_EQ(Truncate("one", dice), std::nullopt);
  EXPECT_EQ(Shuffle("one one", dice), std::nullopt);
}

TEST(NearestSummariesTest, FindsTheLikestOfAnotherFamily) {
  std::vector<Example> examples = {{"a", "d", "rare sails of boats", "f1"},
                                   {"b", "d", "rare sails", "f1"},
                                   {"c", "d", "rare words of texts", "f2"},
                                   {"d", "d", "rare sails of boats", "f3"},
                                   {"e", "d", "boats with rare sails", "f4"}};
  for (int i = 0; i < 40; ++i) examples.push_back({absl::StrCat(i), "d", absl::StrCat("x", i), absl::StrCat(i)});
  const NearestSummaries nearest(examples);
  EXPECT_EQ(nearest.Find(0), 4u);
  EXPECT_EQ(nearest.Find(5), std::nullopt);
}

TEST(ConstructedPairsTest, EveryExampleGivesOneConsistentTextAndOneThatIsNot) {
  const auto examples = Examples();
  const auto judgements = ConstructJudgements(examples, 7);
  ASSERT_EQ(judgements.size(), 2 * examples.size());
  std::set<std::string> kinds;
  for (size_t i = 0; i < judgements.size(); i += 2) {
    EXPECT_TRUE(judgements[i].consistent);
    EXPECT_FALSE(judgements[i + 1].consistent);
    EXPECT_EQ(judgements[i].document, judgements[i + 1].document);
    EXPECT_NE(judgements[i].summary, judgements[i + 1].summary);
    kinds.insert({judgements[i].construction, judgements[i + 1].construction});
  }
  EXPECT_THAT(kinds, testing::IsSupersetOf({"true", "first_sentence", "nearest", "number", "name"}));
}

TEST(ConstructedPairsTest, APreferenceIsForTheSummary) {
  const auto examples = Examples();
  const auto preferences = ConstructPreferences(examples, 7);
  ASSERT_EQ(preferences.size(), examples.size());
  std::set<std::string> kinds;
  for (size_t i = 0; i < preferences.size(); ++i) {
    EXPECT_EQ(preferences[i].better, examples[i].summary);
    EXPECT_NE(preferences[i].worse, preferences[i].better);
    kinds.insert(preferences[i].construction);
  }
  EXPECT_THAT(kinds, testing::UnorderedElementsAre("nearest", "truncated", "repeated", "shuffled"));
}

TEST(ConstructedPairsTest, TheSeedDecidesAndOneExampleDoesNotMoveTheDrawsOfAnother) {
  auto examples = Examples();
  const auto texts = [](const std::vector<Judgement>& judgements) {
    std::vector<std::string> all;
    for (const Judgement& judgement : judgements) all.push_back(judgement.summary);
    return all;
  };
  const auto first = texts(ConstructJudgements(examples, 7));
  EXPECT_EQ(texts(ConstructJudgements(examples, 7)), first);
  EXPECT_NE(texts(ConstructJudgements(examples, 8)), first);
  examples.insert(examples.begin(), {"new", "A document.", "unlike all else", "new"});
  const auto after = texts(ConstructJudgements(examples, 7));
  EXPECT_TRUE(std::equal(first.begin(), first.end(), after.end() - static_cast<std::ptrdiff_t>(first.size())));
}

TEST(ConstructedPairsTest, WhatIsWrittenIsReadBackAndFaultsNameTheLine) {
  TempDir dir;
  const std::string path = dir.File("pairs.jsonl");
  const auto judgements = ConstructJudgements(Examples(), 7);
  ASSERT_OK(WriteJudgements(judgements, path));
  ASSERT_OK_AND_ASSIGN(const auto read, ReadJudgements(path));
  ASSERT_EQ(read.size(), judgements.size());
  EXPECT_EQ(read[1].summary, judgements[1].summary);
  EXPECT_EQ(read[1].consistent, judgements[1].consistent);
  EXPECT_EQ(read[1].construction, judgements[1].construction);
  EXPECT_THAT(ReadPreferences(path),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(":1: better is missing; expected a text")));

  ASSERT_OK(WritePreferences(ConstructPreferences(Examples(), 7), path));
  ASSERT_OK_AND_ASSIGN(const auto preferences, ReadPreferences(path));
  EXPECT_EQ(preferences.size(), Examples().size());
  EXPECT_THAT(ReadJudgements(path),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(":1: summary is missing; expected a text")));
}

}  // namespace
}  // namespace trimtab
