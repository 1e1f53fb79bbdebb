#include "trainer/examples.h"

#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/json_fields.h"
#include "model/status_macros.h"
#include "model/strict_json.h"

namespace trimtab {

absl::StatusOr<std::vector<TrainingExample>> ReadExamples(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(absl::StrCat(path, ": cannot be read; expected lines of JSON"));
  std::vector<TrainingExample> examples;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.empty()) continue;
    const std::string where = absl::StrCat(path, ":", number);
    ASSIGN_OR_RETURN(const nlohmann::json object, ParseStrictJson(line, where));
    if (!object.is_object()) return absl::InvalidArgumentError(absl::StrCat(where, " is not a JSON object"));
    const JsonFields fields(object, where);
    TrainingExample& example = examples.emplace_back();
    RETURN_IF_ERROR(fields.OptionalString("document", &example.document));
    RETURN_IF_ERROR(fields.OptionalString("summary", &example.summary));
    if (example.document.empty()) return fields.Fault("document", "missing or empty", "the text of an article");
  }
  if (examples.empty()) return absl::InvalidArgumentError(absl::StrCat(path, " holds no example"));
  return examples;
}

}  // namespace trimtab
