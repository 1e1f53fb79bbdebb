// What a bench found, for people and for programs.
#ifndef TRIMTAB_BENCH_REPORT_H_
#define TRIMTAB_BENCH_REPORT_H_

#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"

namespace trimtab::bench {

struct Row {
  std::string name;      // A stable path: "gemm/f32/fma_peak".
  double value = 0;      // What was measured.
  std::string unit;      // Of the value: "Gop/s".
  std::string baseline;  // What it is held against, measured in the same run.
  double ratio = 0;      // Ours over the baseline; for times, with over without.
  nlohmann::ordered_json details = nlohmann::ordered_json::object();  // Whatever else a reader may want to know.
};

// Prints a line of text per row as it comes, and writes it as a line of JSON {"name", "value", "unit", "baseline",
// "ratio", "details"} to a file that `--json` names. Not thread-safe.
class Report {
 public:
  // No file where `json_file` is empty. Exits the process with a message where it cannot be written.
  explicit Report(const std::string& json_file);

  void Add(const Row& row);

 private:
  std::ofstream file_;
};

// What main returns: 0, or 1 after saying on standard error what went wrong in `bench`.
int ExitCode(const std::string& bench, const absl::Status& status);

}  // namespace trimtab::bench

#endif  // TRIMTAB_BENCH_REPORT_H_
