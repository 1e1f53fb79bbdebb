#include "trainer/corpora/corpus.h"

#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "model/mapped_file.h"
#include "model/status_macros.h"
#include "model/strict_json.h"
#include "trainer/corpora/compressed_file.h"

namespace trimtab {
namespace {

using nlohmann::json;

constexpr size_t kMaxTextBytes = size_t{1} << 20;

// A text or a number, as ids come in both; empty when absent.
absl::StatusOr<std::string> OptionalId(const json& object, const char* key, absl::string_view where) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return std::string();
  if (found->is_string()) return found->get<std::string>();
  if (found->is_number_integer()) return found->dump();
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", key, " is a ", found->type_name(), "; expected a text"));
}

absl::StatusOr<Example> ParseExample(const json& object, const std::string& where) {
  Example example;
  ASSIGN_OR_RETURN(example.id, OptionalId(object, "id", where));
  if (example.id.empty()) example.id = where.substr(where.rfind(':') + 1);
  ASSIGN_OR_RETURN(example.document, RequiredText(object, "document", where));
  ASSIGN_OR_RETURN(example.summary, RequiredText(object, "summary", where));
  ASSIGN_OR_RETURN(example.family, OptionalId(object, "family", where));
  if (example.family.empty()) example.family = example.id;
  return example;
}

}  // namespace

absl::StatusOr<std::string> RequiredText(const json& object, absl::string_view key, absl::string_view where) {
  const auto found = object.find(std::string(key));
  const auto fault = [&](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": ", key, " ", what, "; expected a text"));
  };
  if (found == object.end()) return fault("is missing");
  if (!found->is_string()) return fault(absl::StrCat("is a ", found->type_name()));
  std::string text = found->get<std::string>();
  if (text.size() > kMaxTextBytes) return fault(absl::StrCat("has more than ", kMaxTextBytes, " bytes"));
  if (absl::StripAsciiWhitespace(text).empty()) return fault("is blank");
  return text;
}

absl::Status ForEachJsonLine(const std::string& path,
                             const std::function<absl::Status(const json&, const std::string&)>& take) {
  ASSIGN_OR_RETURN(const std::string text, ReadCompressed(path));
  int64_t number = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    if (absl::StripAsciiWhitespace(line).empty()) continue;
    const std::string where = absl::StrCat(path, ":", number);
    ASSIGN_OR_RETURN(const json object, ParseStrictJson(line, where));
    if (!object.is_object()) {
      return absl::InvalidArgumentError(absl::StrCat(where, ": a ", object.type_name(), "; expected a JSON object"));
    }
    RETURN_IF_ERROR(take(object, where));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Example>> ReadCorpus(const std::string& path) {
  std::vector<Example> examples;
  std::set<std::string> ids;
  RETURN_IF_ERROR(ForEachJsonLine(path, [&](const json& object, const std::string& where) -> absl::Status {
    ASSIGN_OR_RETURN(Example example, ParseExample(object, where));
    if (!ids.insert(example.id).second) {
      return absl::InvalidArgumentError(absl::StrCat(where, ": id \"", example.id, "\" was there before"));
    }
    examples.push_back(std::move(example));
    return absl::OkStatus();
  }));
  if (!examples.empty()) return examples;
  return absl::InvalidArgumentError(
      absl::StrCat(path, " has no examples; expected lines of {\"id\", \"document\", \"summary\"}"));
}

absl::Status WriteCorpus(std::span<const Example> examples, const std::string& path) {
  std::string text;
  for (const Example& example : examples) {
    nlohmann::ordered_json line = {{"id", example.id}, {"document", example.document}, {"summary", example.summary}};
    if (example.family != example.id) line["family"] = example.family;
    absl::StrAppend(&text, line.dump(-1, ' ', false, json::error_handler_t::replace), "\n");
  }
  return WriteFileAtomically(path, std::as_bytes(std::span<const char>(text.data(), text.size())));
}

std::string FirstSentence(absl::string_view document) {
  for (size_t i = 0; i < document.size(); ++i) {
    if (document[i] == '\n' && i + 1 < document.size() && document[i + 1] == '\n')
      return std::string(document.substr(0, i));
    if (document[i] != '.') continue;
    if (i + 1 == document.size() || document[i + 1] == ' ' || document[i + 1] == '\n') {
      return std::string(document.substr(0, i + 1));
    }
  }
  return std::string(document);
}

}  // namespace trimtab
