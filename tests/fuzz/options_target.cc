// The configuration file of trimtabd.
#include "server/rim/options.h"
#include "tests/fuzz/folder.h"
#include "tests/fuzz/fuzz.h"

namespace trimtab {
namespace {

FUZZ_TARGET(options) {
  static const auto* const folder = new FuzzFolder;
  const std::string file = folder->Write("trimtabd.toml", input);
  const char* const arguments[] = {"trimtabd", "--model", "m", "--config", file.c_str()};
  const CommandLine parsed = ParseCommandLine(5, arguments);
  if (parsed.action == CommandLine::Action::kExit) {
    FUZZ_CHECK(parsed.exit_code == 0 || parsed.exit_code == 2);
    FUZZ_CHECK(!parsed.output.empty());
    return;
  }
  FUZZ_CHECK(parsed.options.max_batch_rows >= 1 && parsed.options.max_queue >= 1);
  FUZZ_CHECK(parsed.options.grid_bits_w >= 1 && parsed.options.grid_bits_w <= 20);
}

}  // namespace
}  // namespace trimtab
