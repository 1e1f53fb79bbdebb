// The program trimtab-gateway.
#include <csignal>
#include <string>
#include <vector>

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

TEST(GatewayMainTest, ExitsWith2OnAFlagItCannotUse) {
  const ProcessResult result = RunProcess({GATEWAY, "--max-connections", "0"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("--max-connections"));
}

}  // namespace
}  // namespace trimtab
