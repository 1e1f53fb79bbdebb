#ifndef TRIMTAB_MODEL_JSON_FIELDS_H_
#define TRIMTAB_MODEL_JSON_FIELDS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "model/one_line.h"
#include "nlohmann/json.hpp"

namespace trimtab {

// Typed, bounded reads from one JSON object. Errors are InvalidArgument: "<file>: <key> is <found>; expected <what>".
// An Optional read leaves the value as it is when the key is absent or null. Does not own.
class JsonFields {
 public:
  // `object` must be an object. `file` is how messages name it.
  JsonFields(const nlohmann::json& object, std::string file) : object_(object), file_(std::move(file)) {}

  absl::Status Int(absl::string_view key, int64_t low, int64_t high, int32_t* value) const;
  absl::Status OptionalInt(absl::string_view key, int64_t low, int64_t high, int32_t* value) const;
  absl::Status OptionalDouble(absl::string_view key, double low, double high, double* value) const;
  absl::Status OptionalBool(absl::string_view key, bool* value) const;
  absl::Status OptionalString(absl::string_view key, std::string* value) const;
  absl::Status OptionalStrings(absl::string_view key, std::vector<std::string>* value) const;
  absl::Status OptionalDoubles(absl::string_view key, std::vector<double>* value) const;

  // Null when absent.
  const nlohmann::json* Find(absl::string_view key) const;
  // InvalidArgument naming the first key that is not in `known`.
  absl::Status OnlyKeys(const std::vector<absl::string_view>& known) const;

  template <typename Found>
  absl::Status Fault(absl::string_view key, const Found& found, absl::string_view expected) const {
    return absl::InvalidArgumentError(
        absl::StrCat(file_, ": ", key, " is ", OneLine(absl::StrCat(found)), "; expected ", expected));
  }

 private:
  absl::Status WrongType(absl::string_view key, const nlohmann::json& found, absl::string_view expected) const;

  const nlohmann::json& object_;
  const std::string file_;
};

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_JSON_FIELDS_H_
