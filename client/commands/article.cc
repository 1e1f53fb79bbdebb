#include "client/commands/article.h"

#include <fstream>
#include <iostream>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "model/status_macros.h"
#include "model/strict_json.h"

namespace trimtab {
namespace {

constexpr size_t kMaxArticleBytes = size_t{1} << 20;

// Calls `read` with the stream that `path` names.
template <typename Read>
auto WithInput(const std::string& path, Read read) -> decltype(read(std::cin)) {
  if (path == "-") return read(std::cin);
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return absl::NotFoundError(
        absl::StrCat(path, " cannot be opened; expected a readable file, or - for standard input"));
  return read(file);
}

bool IsUtf8(const std::string& text) {
  try {
    nlohmann::json(text).dump();
    return true;
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

std::string AsText(const nlohmann::json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

absl::StatusOr<Article> ParseLine(const std::string& line, const std::string& where) {
  ASSIGN_OR_RETURN(const nlohmann::json value, ParseStrictJson(line, where));
  if (!value.is_object() || !value.contains("document") || !value["document"].is_string()) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, " has no text named \"document\"; expected {\"id\": ..., \"document\": ...}"));
  }
  return Article{.id = value.contains("id") ? AsText(value["id"]) : "", .text = value["document"].get<std::string>()};
}

}  // namespace

absl::StatusOr<Article> ReadArticle(const std::string& path) {
  return WithInput(path, [&](std::istream& in) -> absl::StatusOr<Article> {
    std::string text(std::istreambuf_iterator<char>(in), {});
    if (text.size() > kMaxArticleBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("the article has ", text.size(), " bytes; at most ", kMaxArticleBytes, " are accepted"));
    }
    if (!IsUtf8(text)) return absl::InvalidArgumentError("the article is not valid UTF-8; convert it first (iconv)");
    return Article{.id = "", .text = std::move(text)};
  });
}

absl::StatusOr<std::vector<Article>> ReadJsonLines(const std::string& path) {
  return WithInput(path, [&](std::istream& in) -> absl::StatusOr<std::vector<Article>> {
    std::vector<Article> articles;
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      if (absl::StripAsciiWhitespace(line).empty()) continue;
      ASSIGN_OR_RETURN(Article article, ParseLine(line, absl::StrCat(path, " line ", number)));
      articles.push_back(std::move(article));
    }
    return articles;
  });
}

}  // namespace trimtab
