#include "trainer/corpora/debian.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"
#include "trainer/corpora/compressed_file.h"

namespace trimtab {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;

constexpr char kPackages[] = R"(Package: libsail2
Source: sail
Version: 2

Package: sail-tools
Source: sail (2.1-3)

Package: keel-9

)";

constexpr char kTranslations[] = R"(Package: libsail2
Description-md5: 1
Description-en: trims sails in the wind (library)
 Sail is a library that trims the sails of a
 boat, with an eye on wind and on waves.
 .
 It knows:
  * winds
  * waves

Package: sail-tools
Description-md5: 2
Description-en: trims sails in the wind (tools)
 Sail is a library that trims the sails of a
 boat, with an eye on wind and on waves.
 .
 These are its tools.

Package: keel-9
Description-md5: 3
Description-en: holds the course
 A keel keeps a boat from drifting to leeward, and holds what the sails have won.

Package: keel-dbg
Description-md5: 4
Description-en: holds the course (debugging symbols)
 A keel keeps a boat upright and from drifting to leeward, as these debugging symbols show.

Package: oldkeel
Description-md5: 5
Description-en: transitional package to keel
 A keel keeps a boat upright; this is a Transitional package that may be removed without harm to it.

Package: brief
Description-md5: 6
Description-en: says next to nothing
 It says next to nothing.
)";

std::vector<Example> Examples() {
  std::map<std::string, std::string, std::less<>> families;
  AddFamilies(kPackages, &families);
  DescriptionReader reader(families);
  reader.Add(kTranslations);
  return reader.Take();
}

TEST(DebianTest, KeepsOneOfEqualBeginningsAndNoPackageWithoutContent) {
  EXPECT_THAT(Examples(), ElementsAre(Field(&Example::id, "libsail2"), Field(&Example::id, "keel-9")));
}

TEST(DebianTest, JoinsWrappedLinesAndKeepsParagraphsAndLists) {
  EXPECT_EQ(Examples()[0].document,
            "Sail is a library that trims the sails of a boat, with an eye on wind and on waves.\n\n"
            "It knows:\n* winds\n* waves");
  EXPECT_EQ(Examples()[0].summary, "trims sails in the wind (library)");
}

TEST(DebianTest, AFamilyIsTheSourceWithoutItsVersion) {
  EXPECT_EQ(Examples()[0].family, "sail");
  EXPECT_EQ(Examples()[1].family, "keel");
  EXPECT_EQ(FamilyOfSource("gcc-12 (12.2.0)"), "gcc");
  EXPECT_EQ(FamilyOfSource("python3.11"), "python");
  EXPECT_EQ(FamilyOfSource("0ad"), "0ad");
  EXPECT_EQ(FamilyOfSource("2048"), "2048");
}

class DebianListsTest : public testing::Test {
 protected:
  TempDir dir_;
};

TEST_F(DebianListsTest, ReadsPlainAndCompressedLists) {
  const std::string translations = dir_.File("deb_main_i18n_Translation-en");
  std::ofstream(translations) << kTranslations;
  std::ofstream(dir_.File("deb_main_binary-amd64_Packages")) << kPackages;
  std::ofstream(dir_.File("deb_main_i18n_Translation-en_GB")) << "Package: other\n";
  ASSERT_OK_AND_ASSIGN(const auto plain, DebianCorpus(dir_.path()));
  EXPECT_EQ(plain.size(), 2u);
  ASSERT_EQ(RunProcess({"/bin/gzip", translations}).exit_code, 0);
  ASSERT_OK_AND_ASSIGN(const auto compressed, DebianCorpus(dir_.path()));
  ASSERT_EQ(compressed.size(), 2u);
  EXPECT_EQ(compressed[0].document, plain[0].document);
}

TEST_F(DebianListsTest, MissingListsAreNamedWithTheCommandThatBringsThem) {
  EXPECT_THAT(DebianCorpus(dir_.path()),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("apt-get update -o Acquire::Languages=en")));
  std::ofstream(dir_.File("deb_main_i18n_Translation-en")) << kTranslations;
  EXPECT_THAT(DebianCorpus(dir_.path()), StatusIs(absl::StatusCode::kNotFound, HasSubstr("_Packages")));
}

TEST_F(DebianListsTest, ADamagedOrEndlessFileIsRefused) {
  const std::string path = dir_.File("text");
  std::ofstream(path) << std::string(1000, 'x');
  EXPECT_THAT(ReadCompressed(path, 999), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("more than 999")));
  ASSERT_EQ(RunProcess({"/bin/gzip", path}).exit_code, 0);
  std::filesystem::resize_file(path + ".gz", 20);
  EXPECT_THAT(ReadCompressed(path + ".gz"), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace trimtab
