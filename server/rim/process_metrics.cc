#include "server/rim/process_metrics.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace trimtab {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

// Of /proc/self/stat, counted from the field after the name of the program; see proc(5).
enum StatField { kUserTicks = 11, kSystemTicks = 12, kStartTicks = 19, kResidentPages = 21 };

std::string Slurp(const char* path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::optional<double> Number(const std::vector<std::string>& fields, size_t index) {
  double value = 0.0;
  if (index >= fields.size() || !absl::SimpleAtod(fields[index], &value)) return std::nullopt;
  return value;
}

// The name may hold spaces and parentheses; it ends with the last of these.
std::vector<std::string> StatFields() {
  const std::string stat = Slurp("/proc/self/stat");
  const size_t end_of_name = stat.rfind(") ");
  if (end_of_name == std::string::npos) return {};
  return absl::StrSplit(absl::string_view(stat).substr(end_of_name + 2), ' ');
}

// When the machine started, in seconds of the Unix epoch.
std::optional<double> BootTime() {
  for (const absl::string_view line : absl::StrSplit(Slurp("/proc/stat"), '\n')) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (words.front() == "btime") return Number(words, 1);
  }
  return std::nullopt;
}

std::optional<double> OpenFds() {
  std::error_code error;
  const auto begin = std::filesystem::directory_iterator("/proc/self/fd", error);
  if (error) return std::nullopt;
  return static_cast<double>(std::distance(begin, std::filesystem::directory_iterator()));
}

void Append(MetricType type, const char* name, const char* help, double value, std::vector<MetricFamily>& families) {
  prometheus::ClientMetric metric;
  (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  families.push_back({.name = name, .help = help, .type = type, .metric = {metric}});
}

}  // namespace

std::vector<MetricFamily> ProcessMetrics() {
  const std::vector<std::string> stat = StatFields();
  const auto user = Number(stat, kUserTicks), system = Number(stat, kSystemTicks), start = Number(stat, kStartTicks),
             pages = Number(stat, kResidentPages), boot = BootTime(), fds = OpenFds();
  if (!user || !system || !start || !pages || !boot || !fds) return {};
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK)), page = static_cast<double>(sysconf(_SC_PAGESIZE));
  std::vector<MetricFamily> families;
  Append(MetricType::Counter, "process_cpu_seconds_total", "Time of processors that the process has used.",
         (*user + *system) / ticks, families);
  Append(MetricType::Gauge, "process_resident_memory_bytes",
         "Memory of the process that is resident, mapped files too.", *pages * page, families);
  Append(MetricType::Gauge, "process_open_fds", "Files and sockets that the process has open.", *fds, families);
  Append(MetricType::Gauge, "process_start_time_seconds", "When the process started, since the Unix epoch.",
         *boot + *start / ticks, families);
  return families;
}

}  // namespace trimtab
