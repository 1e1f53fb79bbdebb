#include "server/rim/logging.h"

#include <grpc/support/log.h>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "trimtab/v1/summarizer.pb.h"

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

TEST(LoggingTest, LibrariesSpeakThroughTheLogAndCallersCannotFillIt) {
  gpr_log_verbosity_init();  // As grpc_init does.
  SetUpLogging("json", "info");
  testing::internal::CaptureStderr();
  EXPECT_FALSE(v1::SummarizeRequest().ParseFromString("\x0a\x01\xff"));  // Protobuf complains about the text.
  gpr_log(GPR_ERROR, "no such %s", "port");
  const std::string said = testing::internal::GetCapturedStderr();
  const auto line = nlohmann::json::parse(said);
  EXPECT_EQ(line["level"], "warning");
  EXPECT_EQ(line["message"], "gRPC: no such port");
}

}  // namespace
}  // namespace trimtab
