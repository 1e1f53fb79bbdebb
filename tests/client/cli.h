// What tests of the command line share. They define TRIMTABD, the server's binary.
#ifndef TRIMTAB_TESTS_CLIENT_CLI_H_
#define TRIMTAB_TESTS_CLIENT_CLI_H_

#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/testing/process.h"

namespace trimtab {

inline constexpr char kArticle[] = "the server reads text and writes a short summary of it";

// Of --json.
inline std::vector<nlohmann::json> Lines(const std::string& text) {
  std::vector<nlohmann::json> lines;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    lines.push_back(nlohmann::json::parse(std::string(line)));
  }
  return lines;
}

// A server process on a free port.
class ServerProcess {
 public:
  explicit ServerProcess(const std::string& model)
      : process_({TRIMTABD, "--model", model, "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"}) {
    const std::string line = process_.FirstLine();
    EXPECT_THAT(line, testing::StartsWith("listening grpc="));
    const size_t begin = line.find('=') + 1;
    address_ = line.substr(begin, line.find(' ', begin) - begin);
  }
  const std::string& address() const { return address_; }

 private:
  Process process_;
  std::string address_;
};

}  // namespace trimtab

#endif  // TRIMTAB_TESTS_CLIENT_CLI_H_
