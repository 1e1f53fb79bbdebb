#include "server/rim/logging.h"

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace trimtab {
namespace {

TEST(LoggingTest, WritesOneJsonObjectALineWhateverTheMessage) {
  const std::string message = "say \"so\"\nand\tso \x01";
  const std::string line = JsonLogLine("2026-01-02T03:04:05+00:00", "info", message);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto parsed = nlohmann::json::parse(line);
  EXPECT_EQ(parsed["time"], "2026-01-02T03:04:05+00:00");
  EXPECT_EQ(parsed["level"], "info");
  EXPECT_EQ(parsed["message"], message);
}

TEST(LoggingTest, ReplacesBytesThatAreNoText) {
  const auto parsed = nlohmann::json::parse(JsonLogLine("t", "info", "bad \xff byte"));
  EXPECT_EQ(parsed["message"], "bad \xEF\xBF\xBD byte");
}

}  // namespace
}  // namespace trimtab
