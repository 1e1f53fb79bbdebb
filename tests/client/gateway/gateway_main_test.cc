// The program trimtab-gateway.
#include <sys/resource.h>

#include <csignal>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"

namespace trimtab {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(GatewayMainTest, SaysWhereItListensAndEndsWellOnASignal) {
  Process gateway({GATEWAY, "--listen", "127.0.0.1:0"});
  EXPECT_THAT(gateway.FirstLine(), StartsWith("listening http=127.0.0.1:"));
  gateway.Signal(SIGTERM);
  EXPECT_EQ(gateway.Wait(), 0);
}

TEST(GatewayMainTest, ExitsWith1OnAnAddressInUse) {
  Process gateway({GATEWAY, "--listen", "127.0.0.1:0"});
  const std::string line = gateway.FirstLine();
  const ProcessResult second = RunProcess({GATEWAY, "--listen", line.substr(line.find('=') + 1)});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(second.err, HasSubstr("cannot be bound"));
}

// A gateway below a soft and a hard limit of open files.
std::vector<std::string> Limited(int soft, int hard) {
  return {"/bin/bash", "-c",
          absl::StrCat("ulimit -Sn ", soft, "; ulimit -Hn ", hard, "; exec " GATEWAY " --listen 127.0.0.1:0")};
}

TEST(GatewayMainTest, RaisesItsLimitOfOpenFilesToWhatItsConnectionsNeed) {
  Process gateway(Limited(256, 2048));
  ASSERT_THAT(gateway.FirstLine(), StartsWith("listening"));
  EXPECT_EQ(gateway.err(), "");
  rlimit limit{};
  ASSERT_EQ(prlimit(gateway.pid(), RLIMIT_NOFILE, nullptr, &limit), 0);
  EXPECT_EQ(limit.rlim_cur, 1024u + 129u);
}

TEST(GatewayMainTest, WarnsThatItServesFewerConnectionsWhereTheHardLimitIsTooLow) {
  Process gateway(Limited(256, 500));
  ASSERT_THAT(gateway.FirstLine(), StartsWith("listening"));
  EXPECT_THAT(gateway.err(),
              HasSubstr("500 files may be open here, so at most 371 connections are served at once and not 1024"));
}

TEST(GatewayMainTest, ExitsWith2OnAFlagItCannotUse) {
  const ProcessResult result = RunProcess({GATEWAY, "--max-connections", "0"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("--max-connections"));
}

}  // namespace
}  // namespace trimtab
