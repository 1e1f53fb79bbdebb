#include "common/open_files.h"

#include <sys/resource.h>

#include "gtest/gtest.h"

namespace trimtab {
namespace {

TEST(OpenFilesTest, RaisesTheSoftLimitAsFarAsTheHardOneGoesAndNeverLowersIt) {
  const rlimit limit = {.rlim_cur = 100, .rlim_max = 300};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(AllowOpenFiles(200), 200u);
  EXPECT_EQ(AllowOpenFiles(150), 200u);
  EXPECT_EQ(AllowOpenFiles(400), 300u);
  rlimit now{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &now), 0);
  EXPECT_EQ(now.rlim_cur, 300u);
}

}  // namespace
}  // namespace trimtab
