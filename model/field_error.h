#ifndef TRIMTAB_MODEL_FIELD_ERROR_H_
#define TRIMTAB_MODEL_FIELD_ERROR_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace trimtab {

inline constexpr char kFieldPayload[] = "trimtab.v1/field";

// InvalidArgument that remembers which request field is at fault ("weights[2]", "options.max_new_tokens"); the rim
// turns it into a google.rpc.BadRequest. The message reads "<field> <problem>".
inline absl::Status InvalidField(absl::string_view field, absl::string_view problem) {
  absl::Status status = absl::InvalidArgumentError(absl::StrCat(field, " ", problem));
  status.SetPayload(kFieldPayload, absl::Cord(field));
  return status;
}

inline std::optional<std::string> FieldOf(const absl::Status& status) {
  const auto field = status.GetPayload(kFieldPayload);
  if (!field.has_value()) return std::nullopt;
  return std::string(*field);
}

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_FIELD_ERROR_H_
