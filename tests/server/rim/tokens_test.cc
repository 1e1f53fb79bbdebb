#include "server/rim/tokens.h"

#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kFile[] =
    "# who may call\n"
    "infer   reader-reader-reader\n"
    "\n"
    "publish trainer-trainer-trainer\n"
    "admin   operator-operator-op\n";

TEST(TokensTest, ARoleAllowsWhatItIsFor) {
  ASSERT_OK_AND_ASSIGN(const Tokens tokens, Tokens::Parse(kFile));
  EXPECT_OK(tokens.Check("Bearer reader-reader-reader", Role::kInfer));
  EXPECT_OK(tokens.Check("bearer trainer-trainer-trainer", Role::kPublish));
  for (const Role role : {Role::kInfer, Role::kPublish, Role::kAdmin}) {
    EXPECT_OK(tokens.Check("Bearer operator-operator-op", role));
  }
  EXPECT_THAT(tokens.Check("Bearer reader-reader-reader", Role::kPublish), StatusIs(StatusCode::kPermissionDenied));
  EXPECT_THAT(tokens.Check("Bearer trainer-trainer-trainer", Role::kInfer), StatusIs(StatusCode::kPermissionDenied));
  EXPECT_THAT(tokens.Check("Bearer trainer-trainer-trainer", Role::kAdmin), StatusIs(StatusCode::kPermissionDenied));
}

TEST(TokensTest, WithoutAKnownTokenNobodyIsLetIn) {
  ASSERT_OK_AND_ASSIGN(const Tokens tokens, Tokens::Parse(kFile));
  for (const std::string authorization :
       {"", "reader-reader-reader", "Basic reader-reader-reader", "Bearer ", "Bearer reader-reader-reade",
        "Bearer reader-reader-readerr", "Bearer Reader-reader-reader"}) {
    const absl::Status status = tokens.Check(authorization, Role::kInfer);
    EXPECT_THAT(status, StatusIs(StatusCode::kUnauthenticated)) << authorization;
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("reader")));
  }
}

TEST(TokensTest, AFileWithABadLineIsRefusedWithoutShowingIt) {
  for (const std::string line : {"infer short", "root 0123456789abcdef", "infer", "infer 0123456789 abcdef",
                                 "infer 0123456789abcde\x01", "0123456789abcdef"}) {
    const absl::Status status = Tokens::Parse("publish 0123456789abcdef\n" + line).status();
    EXPECT_THAT(status, StatusIs(StatusCode::kInvalidArgument, HasSubstr("line 2"))) << line;
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("0123456789")));
  }
  EXPECT_THAT(Tokens::Parse("# nobody\n"), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_FALSE(Tokens::Load("/no/such/file").ok());
}

// As Kubernetes mounts it.
TEST(TokensTest, AFileBehindALinkIsRead) {
  const TempDir folder;
  std::ofstream(folder.File("there")) << kFile;
  std::filesystem::create_symlink("there", folder.File("tokens"));
  ASSERT_OK_AND_ASSIGN(const Tokens tokens, Tokens::Load(folder.File("tokens")));
  EXPECT_OK(tokens.Check("Bearer reader-reader-reader", Role::kInfer));
}

}  // namespace
}  // namespace trimtab
