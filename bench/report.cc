#include "bench/report.h"

#include <cstdlib>
#include <iomanip>
#include <iostream>

namespace trimtab::bench {

Report::Report(const std::string& json_file) {
  if (json_file.empty()) return;
  file_.open(json_file);
  if (file_) return;
  std::cerr << "bench: cannot write " << json_file << ": is its folder there?\n";
  std::exit(2);
}

void Report::Add(const Row& row) {
  std::cout << std::left << std::setw(44) << row.name << std::right << std::fixed << std::setprecision(3)
            << std::setw(7) << row.ratio << " x " << std::left << std::setw(34) << row.baseline << std::defaultfloat
            << std::setprecision(5) << row.value << " " << row.unit;
  for (const auto& [key, value] : row.details.items()) std::cout << "  " << key << " " << value.dump();
  std::cout << std::endl;
  if (!file_.is_open()) return;
  const nlohmann::ordered_json line = {{"name", row.name},         {"value", row.value}, {"unit", row.unit},
                                       {"baseline", row.baseline}, {"ratio", row.ratio}, {"details", row.details}};
  file_ << line.dump() << std::endl;
}

int ExitCode(const std::string& bench, const absl::Status& status) {
  if (status.ok()) return 0;
  std::cerr << bench << ": " << status.message() << "\n";
  return 1;
}

}  // namespace trimtab::bench
