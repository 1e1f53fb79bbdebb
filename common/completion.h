#ifndef TRIMTAB_COMMON_COMPLETION_H_
#define TRIMTAB_COMMON_COMPLETION_H_

#include <string>

#include "CLI/CLI.hpp"

namespace trimtab {

// Adds --completion SHELL to a program: it prints the script for that shell and ends the parse as --version does, with
// CLI::Success. `app` must outlive the parse.
void AddCompletion(CLI::App& app);

// The script by which bash completes the commands and options of `app`, and what follows an option: one of its choices
// where CLI::IsMember checks them, files where its type names FILE, folders where it names DIR or OUT.
std::string BashCompletion(const CLI::App& app);

}  // namespace trimtab

#endif  // TRIMTAB_COMMON_COMPLETION_H_
