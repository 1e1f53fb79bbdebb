#include "server/rim/memory_allowance.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace trimtab {
namespace {

constexpr int64_t kNoLimit = int64_t{1} << 60;  // Version 1 says so by a number about the largest.

std::string Slurp(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// A file of one number; "max", no number and no file are none.
std::optional<int64_t> LimitIn(const std::string& path) {
  int64_t bytes = 0;
  const std::string text = Slurp(path);
  if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(text), &bytes) || bytes >= kNoLimit) return std::nullopt;
  return bytes;
}

void Lower(std::optional<int64_t> limit, std::optional<int64_t>* least) {
  if (limit.has_value()) *least = std::min(*limit, least->value_or(*limit));
}

// Of the group at `path` below `root` and those it is in, by their file `name`.
void LowerByGroups(const std::string& root, absl::string_view path, absl::string_view name,
                   std::optional<int64_t>* least) {
  while (true) {
    Lower(LimitIn(absl::StrCat(root, path, "/", name)), least);
    if (path.empty()) return;
    path = path.substr(0, path.rfind('/'));
  }
}

void AddResourceLimit(int resource, const char* name, int64_t held, std::vector<MemoryAllowance>* allowed) {
  rlimit limit;
  if (getrlimit(resource, &limit) != 0 || limit.rlim_cur >= static_cast<rlim_t>(kNoLimit)) return;
  allowed->push_back({name, static_cast<int64_t>(limit.rlim_cur), held});
}

}  // namespace

ProcessMemory ParseProcessMemory(absl::string_view status) {
  ProcessMemory memory;
  const std::pair<absl::string_view, int64_t*> fields[] = {{"RssAnon:", &memory.anonymous},
                                                           {"RssShmem:", &memory.shared},
                                                           {"RssFile:", &memory.files},
                                                           {"VmData:", &memory.data},
                                                           {"VmSize:", &memory.address}};
  for (absl::string_view line : absl::StrSplit(status, '\n')) {
    for (const auto& [name, bytes] : fields) {
      absl::string_view value = line;
      int64_t kilobytes = 0;
      if (absl::ConsumePrefix(&value, name) && absl::ConsumeSuffix(&value, " kB") &&
          absl::SimpleAtoi(absl::StripAsciiWhitespace(value), &kilobytes)) {
        *bytes = kilobytes << 10;
      }
    }
  }
  return memory;
}

ProcessMemory ReadProcessMemory() { return ParseProcessMemory(Slurp("/proc/self/status")); }

std::optional<int64_t> CgroupMemoryLimit(absl::string_view cgroup, const std::string& root) {
  std::optional<int64_t> least;
  for (const absl::string_view line : absl::StrSplit(cgroup, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    const absl::string_view path = absl::StripSuffix(parts[2], "/");
    const std::vector<absl::string_view> controllers = absl::StrSplit(parts[1], ',');
    if (parts[1].empty()) {
      LowerByGroups(root, path, "memory.max", &least);
    } else if (std::find(controllers.begin(), controllers.end(), "memory") != controllers.end()) {
      LowerByGroups(absl::StrCat(root, "/memory"), path, "memory.limit_in_bytes", &least);
    }
  }
  return least;
}

MemoryAllowance MemoryMeter::Read() const {
  const ProcessMemory now = ReadProcessMemory();
  const int64_t kept = now.anonymous + now.shared;
  std::vector<MemoryAllowance> allowed;
  if (asked_ > 0) {
    allowed.push_back({"--memory-limit", asked_, kept + now.files});
  } else {
    allowed.push_back(
        {"the memory of the machine", int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE), kept + program_});
    const auto group = CgroupMemoryLimit(Slurp("/proc/self/cgroup"), "/sys/fs/cgroup");
    if (group.has_value()) allowed.push_back({"the memory limit of the control group", *group, kept + program_});
  }
  AddResourceLimit(RLIMIT_DATA, "RLIMIT_DATA", now.data, &allowed);
  AddResourceLimit(RLIMIT_AS, "RLIMIT_AS", now.address, &allowed);
  return *std::min_element(allowed.begin(), allowed.end(),
                           [](const auto& a, const auto& b) { return a.room() < b.room(); });
}

}  // namespace trimtab
