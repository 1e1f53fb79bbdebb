#include "model/strict_json.h"

#include <set>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace trimtab {
namespace {

using nlohmann::json;

// Looks at the text once for what nlohmann's own parser lets pass: duplicate keys and depth.
class Inspector final : public nlohmann::json_sax<json> {
 public:
  explicit Inspector(int max_depth) : max_depth_(max_depth) {}

  const std::string& fault() const { return fault_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return Deeper(); }
  bool start_array(std::size_t) override { return Deeper(); }
  bool end_object() override { return Shallower(); }
  bool end_array() override { return Shallower(); }
  bool key(string_t& name) override {
    if (keys_.back().insert(name).second) return true;
    fault_ = absl::StrCat("key \"", absl::CHexEscape(name.substr(0, 200)),
                          "\" appears twice in one object; expected each key once");
    return false;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    fault_ = absl::StrCat("is not valid JSON near byte ", position);
    return false;
  }

 private:
  bool Deeper() {
    keys_.emplace_back();
    if (static_cast<int>(keys_.size()) <= max_depth_) return true;
    fault_ = absl::StrCat("is nested deeper than ", max_depth_, " levels");
    return false;
  }
  bool Shallower() {
    keys_.pop_back();
    return true;
  }

  const int max_depth_;
  std::vector<std::set<std::string>> keys_;  // Of each open object (arrays have none).
  std::string fault_;
};

}  // namespace

absl::StatusOr<json> ParseStrictJson(absl::string_view text, absl::string_view what, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " has ", text.size(), " bytes; expected at most ", limits.max_bytes));
  }
  Inspector inspector(limits.max_depth);
  if (!json::sax_parse(text.begin(), text.end(), &inspector)) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": ", inspector.fault()));
  }
  return json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
}

}  // namespace trimtab
