#include "client/commands/token_flag.h"

#include "absl/strings/ascii.h"
#include "model/mapped_file.h"
#include "model/status_macros.h"

namespace trimtab {

void AddTokenFlag(CLI::App& command, std::string* path) {
  command.add_option("--token-file", *path, "File with the bearer token for the server")
      ->type_name("FILE")
      ->envname("TRIMTAB_TOKEN_FILE");
}

absl::StatusOr<std::string> ReadToken(const std::string& path) {
  if (path.empty()) return std::string();
  ASSIGN_OR_RETURN(const std::string text, ReadNamedFile(path, 4096));
  return std::string(absl::StripAsciiWhitespace(text.substr(0, text.find('\n'))));
}

}  // namespace trimtab
