// The start of a server from any state folder, and its next commit.
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/version_log.h"
#include "tests/fuzz/folder.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/publication.h"

namespace trimtab {
namespace {

constexpr char kSeparator[] = "\n--\n";
constexpr size_t kMaxName = 80;
constexpr int kMaxFiles = 4;

// A file name without any way out of its folder.
bool IsPlain(absl::string_view name) {
  if (name.empty() || name.size() > kMaxName || name[0] == '.') return false;
  for (const char c : name) {
    if (!absl::ascii_isalnum(c) && c != '.' && c != '-') return false;
  }
  return true;
}

// Input: state.json, then NAME and contents of files in versions/, with "--" on a line of its own between all of them.
void Fill(const FuzzFolder& folder, absl::string_view input) {
  const std::string state = TakeUntil(kSeparator, &input);
  if (!state.empty()) folder.Write("state.json", state);
  std::filesystem::create_directory(folder.path() + "/versions");
  for (int i = 0; i < kMaxFiles && !input.empty(); ++i) {
    const std::string name = TakeUntil("\n", &input);
    const std::string contents = TakeUntil(kSeparator, &input);
    if (IsPlain(name)) folder.Write("versions/" + name, contents);
  }
}

void CheckRecovered(const VersionLog& log, const Checkpoint& base) {
  const Checkpoint& served = *log.recovered();
  FUZZ_CHECK(ParametersDigest(served.tensors) == served.digest);
  FUZZ_CHECK(log.highest_sequence() >= served.clp.sequence);
  bool kept = served.version() == base.version();
  for (const ParameterVersion& version : log.versions()) kept |= version == served.version();
  FUZZ_CHECK(kept);
  FUZZ_CHECK(!log.report().empty());
}

FUZZ_TARGET(version_log) {
  static const auto* const base = new CheckpointPtr(SmallModel());
  static const Disk* const disk = new Disk;
  const FuzzFolder folder;
  Fill(folder, input);
  const VersionLog::Options options{.directory = folder.path(), .keep = 2};
  ParameterVersion committed;
  {
    const auto log = VersionLog::Open(options, *base, disk);
    FUZZ_CHECK(log.ok());
    CheckRecovered(**log, **base);
    for (const ParameterVersion& version : (*log)->versions()) {
      CheckMessage((*log)->Load(version).status());
      CheckMessage((*log)->LoadPacked(version, "kind").status());
    }
    const uint64_t highest = (*log)->highest_sequence();
    if (highest == std::numeric_limits<uint64_t>::max()) return;
    const CheckpointPtr next = Changed(**base, "next", (*log)->lease().epoch, highest + 1);
    FUZZ_CHECK((*log)->Append(*next, std::as_bytes(std::span("packed")), "kind").ok());
    committed = next->version();
  }
  const auto again = VersionLog::Open(options, *base, disk);
  FUZZ_CHECK(again.ok());
  CheckRecovered(**again, **base);
  FUZZ_CHECK((*again)->recovered()->version() == committed);
  FUZZ_CHECK((*again)->LoadPacked(committed, "kind").ok());
}

}  // namespace
}  // namespace trimtab
