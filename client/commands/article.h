#ifndef TRIMTAB_CLIENT_COMMANDS_ARTICLE_H_
#define TRIMTAB_CLIENT_COMMANDS_ARTICLE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace trimtab {

struct Article {
  std::string id;  // Empty for one that has none.
  std::string text;
};

// The whole of `path`, or of the standard input for "-". NotFound; InvalidArgument for invalid UTF-8 or more than 1
// MiB.
absl::StatusOr<Article> ReadArticle(const std::string& path);

// One article a line, {"id": ..., "document": ...}; other keys are ignored, empty lines skipped. `path` as above.
// NotFound; InvalidArgument naming the line.
absl::StatusOr<std::vector<Article>> ReadJsonLines(const std::string& path);

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_COMMANDS_ARTICLE_H_
