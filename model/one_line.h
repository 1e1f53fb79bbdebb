#ifndef TRIMTAB_MODEL_ONE_LINE_H_
#define TRIMTAB_MODEL_ONE_LINE_H_

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace trimtab {

// A text from a file that nobody vouches for, for a message of one line: at most 200 bytes of it, control characters as
// \xNN.
inline std::string OneLine(absl::string_view text) {
  constexpr size_t kMaxShown = 200;
  std::string line;
  for (const char c : text.substr(0, kMaxShown)) {
    if (absl::ascii_iscntrl(c)) {
      absl::StrAppendFormat(&line, "\\x%02x", c);
    } else {
      line += c;
    }
  }
  return line;
}

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_ONE_LINE_H_
