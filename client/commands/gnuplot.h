#ifndef TRIMTAB_CLIENT_COMMANDS_GNUPLOT_H_
#define TRIMTAB_CLIENT_COMMANDS_GNUPLOT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace trimtab {

// `text` as a string constant of gnuplot's language, on one line, in which nothing is substituted.
std::string GnuplotString(absl::string_view text);

// Runs `script` in a gnuplot of its own, which reads no start-up files. NotFound when gnuplot is not installed;
// Internal with its complaint when it fails.
absl::Status RunGnuplot(const std::string& script);

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_COMMANDS_GNUPLOT_H_
