#include "model/strict_json.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(StrictJsonTest, ReadsAnOrdinaryDocument) {
  ASSERT_OK_AND_ASSIGN(const nlohmann::json json, ParseStrictJson(R"({"a": [1, -2, 0.5], "b": {"c": null}})", "x"));
  EXPECT_EQ(json["a"][1], -2);
  EXPECT_TRUE(json["b"]["c"].is_null());
}

TEST(StrictJsonTest, RefusesAKeyThatAppearsTwiceInOneObject) {
  EXPECT_THAT(ParseStrictJson(R"({"a": 1, "b": 2, "a": 3})", "clp.json"),
              StatusIs(kInvalid, AllOf(HasSubstr("clp.json"), HasSubstr("\"a\""), HasSubstr("twice"))));
}

TEST(StrictJsonTest, RefusesADuplicateKeyInANestedObject) {
  EXPECT_THAT(ParseStrictJson(R"({"a": [{"k": 1, "k": 1}]})", "x"), StatusIs(kInvalid, HasSubstr("twice")));
}

TEST(StrictJsonTest, RefusesADuplicateKeyWrittenWithEscapes) {
  EXPECT_THAT(ParseStrictJson(R"({"a": 1, "\u0061": 2})", "x"), StatusIs(kInvalid, HasSubstr("twice")));
}

TEST(StrictJsonTest, AllowsOneKeyInTwoObjects) { EXPECT_OK(ParseStrictJson(R"([{"k": 1}, {"k": {"k": 2}}])", "x")); }

TEST(StrictJsonTest, ReadsNestingUpToTheLimitAndNoDeeper) {
  const JsonLimits limits = {.max_bytes = 100, .max_depth = 3};
  EXPECT_OK(ParseStrictJson(R"([{"a": []}])", "x", limits));
  EXPECT_THAT(ParseStrictJson(R"([{"a": [[]]}])", "x", limits), StatusIs(kInvalid, HasSubstr("deeper than 3")));
}

TEST(StrictJsonTest, SurvivesAMillionOpenBrackets) {
  EXPECT_THAT(ParseStrictJson(std::string(1000000, '['), "x"), StatusIs(kInvalid, HasSubstr("deeper")));
}

TEST(StrictJsonTest, RefusesMoreBytesThanTheLimit) {
  EXPECT_THAT(ParseStrictJson("[1,2,3]", "x", {.max_bytes = 6, .max_depth = 3}),
              StatusIs(kInvalid, AllOf(HasSubstr("7 bytes"), HasSubstr("at most 6"))));
}

TEST(StrictJsonTest, RefusesInvalidUtf8) {
  EXPECT_THAT(ParseStrictJson("[\"\xff\"]", "x"), StatusIs(kInvalid, HasSubstr("not valid JSON")));
  EXPECT_THAT(ParseStrictJson("{\"\xc0\xaf\": 1}", "x"), StatusIs(kInvalid));   // Overlong.
  EXPECT_THAT(ParseStrictJson("[\"\xed\xa0\x80\"]", "x"), StatusIs(kInvalid));  // A surrogate.
  EXPECT_OK(ParseStrictJson("[\"K\xc3\xb6ln\"]", "x"));
}

TEST(StrictJsonTest, RefusesBadSyntaxAndTrailingText) {
  for (const char* text : {"", " ", "{", "[1,]", "{\"a\" 1}", "nul", "[1] [2]", "{}x", "[NaN]", "// c\n{}"}) {
    EXPECT_THAT(ParseStrictJson(text, "x"), StatusIs(kInvalid, HasSubstr("x: "))) << text;
  }
}

TEST(StrictJsonTest, RefusesNumbersThatNoDoubleHolds) {
  EXPECT_THAT(ParseStrictJson("[1e999]", "x"), StatusIs(kInvalid));
}

TEST(StrictJsonTest, ShortensAndEscapesAHostileKeyInItsMessage) {
  const std::string key = "a\\n" + std::string(100000, 'k');
  const absl::Status status = ParseStrictJson("{\"" + key + "\": 1, \"" + key + "\": 2}", "x").status();
  EXPECT_LT(status.message().size(), 1000u);
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("\n")));
}

}  // namespace
}  // namespace trimtab
