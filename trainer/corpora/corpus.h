// Texts and their summaries, as lines of JSON: {"id", "document", "summary", "family"}.
#ifndef TRIMTAB_TRAINER_CORPORA_CORPUS_H_
#define TRIMTAB_TRAINER_CORPORA_CORPUS_H_

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace trimtab {

// All UTF-8; document and summary are not blank.
struct Example {
  std::string id;  // Of its own within the corpus.
  std::string document;
  std::string summary;
  std::string family;  // Examples of one family are near relatives and stay in one split; the id where none is stated.
};

// Reads a file of lines, plain or compressed; blank lines are passed over, keys other than the four are ignored. A
// missing id is the line's number. InvalidArgument "FILE:LINE: ..." for a line that is no JSON object, a missing, blank
// or overlong (1 MiB) text, or an id that was there before; also for a file without examples.
absl::StatusOr<std::vector<Example>> ReadCorpus(const std::string& path);

// Replaces `path` as a whole. The family is left out where it is the id.
absl::Status WriteCorpus(std::span<const Example> examples, const std::string& path);

// What ReadCorpus does with the lines of a file: calls `take(object, where)` for each, where is "FILE:LINE".
absl::Status ForEachJsonLine(const std::string& path,
                             const std::function<absl::Status(const nlohmann::json&, const std::string&)>& take);

// The text named `key`. InvalidArgument, beginning with `where`, when it is missing, no text, blank or overlong.
absl::StatusOr<std::string> RequiredText(const nlohmann::json& object, absl::string_view key, absl::string_view where);

// Up to the first full stop that a space, a line or nothing follows, or to the first paragraph's end: what a summary
// has to be better than.
std::string FirstSentence(absl::string_view document);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_CORPORA_CORPUS_H_
