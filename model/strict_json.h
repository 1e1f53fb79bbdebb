#ifndef TRIMTAB_MODEL_STRICT_JSON_H_
#define TRIMTAB_MODEL_STRICT_JSON_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace trimtab {

struct JsonLimits {
  size_t max_bytes = 16 << 20;
  int max_depth = 32;
};

// Parses untrusted JSON. InvalidArgument, naming `what` and the fault, for bytes over the limit, invalid UTF-8, bad
// syntax, trailing text, duplicate keys in one object or nesting deeper than the limit. Never throws.
absl::StatusOr<nlohmann::json> ParseStrictJson(absl::string_view text, absl::string_view what,
                                               const JsonLimits& limits = {});

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_STRICT_JSON_H_
