#include "model/json_fields.h"

#include <algorithm>

namespace trimtab {

using nlohmann::json;

const json* JsonFields::Find(absl::string_view key) const {
  const auto found = object_.find(std::string(key));
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

absl::Status JsonFields::WrongType(absl::string_view key, const json& found, absl::string_view expected) const {
  std::string text = found.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return Fault(key, text, expected);
}

absl::Status JsonFields::OnlyKeys(const std::vector<absl::string_view>& known) const {
  for (const auto& [key, value] : object_.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(file_, ": unknown key \"", OneLine(key), "\"; remove it or use a build that knows it"));
    }
  }
  return absl::OkStatus();
}

absl::Status JsonFields::Int(absl::string_view key, int64_t low, int64_t high, int32_t* value) const {
  if (Find(key) == nullptr) return Fault(key, "missing", absl::StrCat("an integer from ", low, " to ", high));
  return OptionalInt(key, low, high, value);
}

absl::Status JsonFields::OptionalInt(absl::string_view key, int64_t low, int64_t high, int32_t* value) const {
  const json* found = Find(key);
  if (found == nullptr) return absl::OkStatus();
  const std::string expected = absl::StrCat("an integer from ", low, " to ", high);
  if (!found->is_number_integer()) return WrongType(key, *found, expected);
  const bool too_big = found->is_number_unsigned() && found->get<uint64_t>() > static_cast<uint64_t>(high);
  if (too_big || found->get<int64_t>() < low || found->get<int64_t>() > high) return WrongType(key, *found, expected);
  *value = static_cast<int32_t>(found->get<int64_t>());
  return absl::OkStatus();
}

absl::Status JsonFields::OptionalDouble(absl::string_view key, double low, double high, double* value) const {
  const json* found = Find(key);
  if (found == nullptr) return absl::OkStatus();
  if (!found->is_number() || !(found->get<double>() >= low && found->get<double>() <= high)) {
    return WrongType(key, *found, absl::StrCat("a number from ", low, " to ", high));
  }
  *value = found->get<double>();
  return absl::OkStatus();
}

absl::Status JsonFields::OptionalBool(absl::string_view key, bool* value) const {
  const json* found = Find(key);
  if (found == nullptr) return absl::OkStatus();
  if (!found->is_boolean()) return WrongType(key, *found, "true or false");
  *value = found->get<bool>();
  return absl::OkStatus();
}

absl::Status JsonFields::OptionalString(absl::string_view key, std::string* value) const {
  const json* found = Find(key);
  if (found == nullptr) return absl::OkStatus();
  if (!found->is_string()) return WrongType(key, *found, "a string");
  *value = found->get<std::string>();
  return absl::OkStatus();
}

absl::Status JsonFields::OptionalStrings(absl::string_view key, std::vector<std::string>* value) const {
  const json* found = Find(key);
  if (found == nullptr) return absl::OkStatus();
  const bool all =
      found->is_array() && std::all_of(found->begin(), found->end(), [](const json& v) { return v.is_string(); });
  if (!all) return WrongType(key, *found, "a list of strings");
  *value = found->get<std::vector<std::string>>();
  return absl::OkStatus();
}

absl::Status JsonFields::OptionalDoubles(absl::string_view key, std::vector<double>* value) const {
  const json* found = Find(key);
  if (found == nullptr) return absl::OkStatus();
  const bool all =
      found->is_array() && std::all_of(found->begin(), found->end(), [](const json& v) { return v.is_number(); });
  if (!all) return WrongType(key, *found, "a list of numbers");
  *value = found->get<std::vector<double>>();
  return absl::OkStatus();
}

}  // namespace trimtab
