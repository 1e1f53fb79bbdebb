#ifndef TRIMTAB_CLIENT_COMMANDS_TOKEN_FLAG_H_
#define TRIMTAB_CLIENT_COMMANDS_TOKEN_FLAG_H_

#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"

namespace trimtab {

// --token-file, or TRIMTAB_TOKEN_FILE in the environment: a token on a command line could be read by others.
void AddTokenFlag(CLI::App& command, std::string* path);

// The first line of the file; empty for no file.
absl::StatusOr<std::string> ReadToken(const std::string& path);

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_COMMANDS_TOKEN_FLAG_H_
