// What memory the process may take, and what it has taken.
#ifndef TRIMTAB_SERVER_RIM_MEMORY_ALLOWANCE_H_
#define TRIMTAB_SERVER_RIM_MEMORY_ALLOWANCE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace trimtab {

// Bytes of this process. Zeros where /proc says nothing.
struct ProcessMemory {
  int64_t anonymous = 0;  // Resident, and nobody can take it back:
  int64_t shared = 0;     // the same;
  int64_t files = 0;      // resident, and the system can read it again.
  int64_t data = 0;       // What RLIMIT_DATA counts,
  int64_t address = 0;    // and RLIMIT_AS.
};
ProcessMemory ParseProcessMemory(absl::string_view status);  // The text of /proc/self/status.
ProcessMemory ReadProcessMemory();

// The least memory limit of the control groups of a process, version 1 or 2, that are seen below `root`
// (/sys/fs/cgroup), by the text of its /proc/self/cgroup. None: there is none.
std::optional<int64_t> CgroupMemoryLimit(absl::string_view cgroup, const std::string& root);

// One limit and what counts against it now.
struct MemoryAllowance {
  std::string name;  // "--memory-limit", "the memory limit of the control group", ...
  int64_t limit = 0;
  int64_t held = 0;
  int64_t room() const { return limit - held; }
};

// Of what is allowed, the limit that leaves least: RLIMIT_DATA and RLIMIT_AS, and `asked`, for all that is resident, or
// where that is 0 the control group's or the machine's memory. Against the latter two, of mapped files those count that
// were resident at construction: the program itself. A checkpoint's, which is read once, the system takes back.
class MemoryMeter {
 public:
  explicit MemoryMeter(int64_t asked) : asked_(asked), program_(ReadProcessMemory().files) {}
  MemoryAllowance Read() const;

 private:
  const int64_t asked_;
  const int64_t program_;
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_MEMORY_ALLOWANCE_H_
