#include "common/help.h"

#include <memory>
#include <string>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trimtab {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

class HelpTest : public testing::Test {
 protected:
  HelpTest() {
    app_.formatter(std::make_shared<HelpFormatter>());
    app_.footer("Exit codes: 0.");
    app_.add_option("--form", form_, "How much is sent")->check(CLI::IsMember({"all", "some"}))->required();
    app_.add_option("--seconds", seconds_, "Until it gives up")
        ->type_name("SECONDS")
        ->envname("TOOL_SECONDS")
        ->check(CLI::Range(1, 60))
        ->capture_default_str();
    app_.add_subcommand("list", "Lists what is there.\nAnd much more.\n\n  tool list all");
  }

  CLI::App app_{"Does things.\n\n  tool --form all", "tool"};
  std::string form_;
  int seconds_ = 10;
  bool flag_ = false;
};

TEST_F(HelpTest, SaysChoicesBoundsDefaultAndEnvironmentBehindAnOption) {
  EXPECT_THAT(app_.help(), HasSubstr("  --form TEXT           How much is sent [required; all, some]\n"));
  EXPECT_THAT(app_.help(),
              HasSubstr("  --seconds SECONDS     Until it gives up [1 to 60; default 10; TOOL_SECONDS]\n"));
}

TEST_F(HelpTest, ListsCommandsByTheirFirstLineAndExamplesLast) {
  EXPECT_THAT(app_.help(), HasSubstr("  list                  Lists what is there.\n"));
  EXPECT_THAT(app_.help(), Not(HasSubstr("And much more.")));
  EXPECT_THAT(app_.help(), EndsWith("Examples:\n  tool --form all\n\nExit codes: 0.\n"));
  const CLI::App* list = app_.get_subcommand("list");
  EXPECT_THAT(list->help(), HasSubstr("Lists what is there. And much more.\n\nUsage:"));
  EXPECT_THAT(list->help(), EndsWith("Examples:\n  tool list all\n\nExit codes: 0.\n"));
}

TEST_F(HelpTest, StaysWithinItsColumns) {
  app_.add_flag("--an-option-whose-name-is-long", flag_, "It stands above its text");
  app_.add_flag("--words", flag_,
                "word word word word word word word word word word word word word word word word word word");
  for (const absl::string_view line : absl::StrSplit(app_.help(), '\n')) {
    EXPECT_LE(line.size(), 100u) << line;
  }
  EXPECT_THAT(app_.help(), HasSubstr("  --an-option-whose-name-is-long\n                        It stands above"));
  EXPECT_THAT(app_.help(), HasSubstr("word\n                        word"));
}

}  // namespace
}  // namespace trimtab
