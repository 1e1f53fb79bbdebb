#include "common/help.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace trimtab {
namespace {

constexpr size_t kColumns = 100;
constexpr size_t kIndent = 24;

// `text` behind `left`, in lines that begin at `indent`.
std::string Wrapped(absl::string_view left, absl::string_view text, size_t indent) {
  std::string out, line(left);
  bool begun = left.empty();
  for (const absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    if (line.size() < indent) {
      line.resize(indent, ' ');
    } else if (!begun || line.size() + 1 + word.size() > kColumns) {
      absl::StrAppend(&out, line, "\n");
      line.assign(indent, ' ');
    } else if (!line.empty()) {
      line.push_back(' ');
    }
    absl::StrAppend(&line, word);
    begun = true;
  }
  return absl::StrCat(out, line, "\n");
}

bool IsExample(absl::string_view line) { return absl::StartsWith(line, "  "); }

// Paragraphs, wrapped; without the examples.
std::string Prose(const std::string& text) {
  std::string out, paragraph;
  const auto flush = [&] {
    if (!paragraph.empty()) absl::StrAppend(&out, out.empty() ? "" : "\n", Wrapped("", paragraph, 0));
    paragraph.clear();
  };
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (line.empty()) flush();
    if (!IsExample(line)) absl::StrAppend(&paragraph, " ", line);
  }
  flush();
  return out;
}

// Where what validators say begins in the name of a type, which they follow after a colon.
size_t EndOfType(const std::string& type) {
  size_t end = type.size();
  for (const char* said : {":{", ":INT in ", ":FLOAT in ", ":POSITIVE", ":NONNEGATIVE", ":SIZE ["}) {
    end = std::min(end, type.find(said));
  }
  return end;
}

// Choices or bounds; empty where the option's own words say them, or where there are none worth saying.
std::string Bounds(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const std::string said = type.substr(EndOfType(type));
  const auto between = [&said](const char* left, const char* right) {
    const size_t begin = said.find(left), end = said.find(right);
    return begin == std::string::npos ? "" : said.substr(begin + 1, end - begin - 1);
  };
  if (absl::StrContains(said, ":SIZE")) return "";
  if (const std::string choices = between("{", "}"); !choices.empty()) {
    const bool known = absl::StrContains(option.get_description(), choices.substr(0, choices.find(',')));
    return known ? "" : absl::StrReplaceAll(choices, {{",", ", "}});
  }
  if (const std::string bounds = between("[", "]"); !bounds.empty())
    return absl::StrReplaceAll(bounds, {{" - ", " to "}});
  return absl::StrContains(said, ":POSITIVE") ? "above 0" : "";
}

std::string Default(const CLI::Option& option) {
  std::string value = option.get_default_str();
  if (value.empty() || option.get_items_expected_max() == 0) return "";
  if (absl::StartsWith(value, "[")) value = value.substr(1, value.size() - 2);
  return absl::StrCat("default ", absl::StrContains(value, ' ') ? absl::StrCat("'", value, "'") : value);
}

std::string Details(const CLI::Option& option) {
  std::vector<std::string> details = {option.get_required() ? "required" : "", Bounds(option), Default(option),
                                      option.get_envname()};
  for (const CLI::Option* other : option.get_needs()) details.push_back(absl::StrCat("with ", other->get_name()));
  for (const CLI::Option* other : option.get_excludes())
    details.push_back(absl::StrCat("not with ", other->get_name()));
  std::erase(details, "");
  return details.empty() ? "" : absl::StrCat(" [", absl::StrJoin(details, "; "), "]");
}

}  // namespace

std::string HelpFormatter::make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const {
  std::string help = CLI::Formatter::make_help(app, std::move(name), mode);
  while (absl::StrReplaceAll({{"\n\n\n", "\n\n"}}, &help) > 0) continue;
  return help;
}

std::string HelpFormatter::make_description(const CLI::App* app) const {
  return absl::StrCat(Prose(app->get_description()), "\n");
}

std::string HelpFormatter::make_footer(const CLI::App* app) const {
  std::string examples;
  for (const absl::string_view line : absl::StrSplit(app->get_description(), '\n')) {
    if (IsExample(line)) absl::StrAppend(&examples, line, "\n");
  }
  return absl::StrCat(examples.empty() ? "" : absl::StrCat("Examples:\n", examples, "\n"), Prose(app->get_footer()));
}

std::string HelpFormatter::make_subcommand(const CLI::App* command) const {
  const std::string description = command->get_description();
  return Wrapped(absl::StrCat("  ", command->get_name()), description.substr(0, description.find('\n')), kIndent);
}

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  const std::string type = option->get_type_name();
  std::string left = absl::StrCat("  ", absl::StrReplaceAll(option->get_name(is_positional, true), {{"{false}", ""}}));
  if (option->get_items_expected_max() > 0) absl::StrAppend(&left, " ", type.substr(0, EndOfType(type)));
  return Wrapped(left, absl::StrCat(option->get_description(), Details(*option)), kIndent);
}

}  // namespace trimtab
