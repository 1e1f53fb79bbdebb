#ifndef TRIMTAB_COMMON_HELP_H_
#define TRIMTAB_COMMON_HELP_H_

#include <string>

#include "CLI/CLI.hpp"

namespace trimtab {

// How --help looks, in 100 columns. Behind what an option says of itself stand, in brackets, its bounds or choices, its
// default, its environment variable and what it goes with. Indented lines of a description are examples, and come
// after all options. A command is listed by the first line of its description. Give it to a program before its commands
// are added: they take it over.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;
  std::string make_description(const CLI::App* app) const override;
  std::string make_footer(const CLI::App* app) const override;
  std::string make_subcommand(const CLI::App* command) const override;
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
};

}  // namespace trimtab

#endif  // TRIMTAB_COMMON_HELP_H_
