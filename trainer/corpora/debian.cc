#include "trainer/corpora/debian.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "model/status_macros.h"
#include "trainer/corpora/compressed_file.h"

namespace trimtab {
namespace {

constexpr size_t kMinDocumentWords = 12;
constexpr size_t kMinSummaryWords = 2;

size_t CountWords(absl::string_view text) {
  return std::vector<absl::string_view>(absl::StrSplit(text, absl::ByAnyChar(" \t\n"), absl::SkipEmpty())).size();
}

// What follows "KEY: " on its line; empty when no line begins so.
absl::string_view Field(absl::string_view stanza, absl::string_view key) {
  for (absl::string_view line : absl::StrSplit(stanza, '\n')) {
    if (absl::ConsumePrefix(&line, key) && absl::ConsumePrefix(&line, ": ")) return absl::StripAsciiWhitespace(line);
  }
  return {};
}

// The lines after the one that begins with `key`, as far as they are indented, without wrapping: " ." separates
// paragraphs, and a line that is indented further stands alone.
std::string Unwrapped(absl::string_view stanza, absl::string_view key) {
  std::string text;
  bool inside = false, joins = false;
  for (absl::string_view line : absl::StrSplit(stanza, '\n')) {
    if (!absl::ConsumePrefix(&line, " ")) {
      inside = absl::StartsWith(line, key);
      continue;
    }
    if (!inside) continue;
    const bool is_list = absl::StartsWith(line, " ") || absl::StartsWith(line, "\t");
    line = absl::StripAsciiWhitespace(line);
    if (line == ".") {
      absl::StrAppend(&text, "\n\n");
      joins = false;
      continue;
    }
    if (!text.empty() && text.back() != '\n') absl::StrAppend(&text, joins && !is_list ? " " : "\n");
    absl::StrAppend(&text, line);
    joins = !is_list;
  }
  absl::StripAsciiWhitespace(&text);
  return text;
}

bool IsLeftOut(absl::string_view package, absl::string_view summary, absl::string_view document) {
  if (absl::EndsWith(package, "-dbg") || absl::EndsWith(package, "-dbgsym")) return true;
  const std::string text = absl::AsciiStrToLower(absl::StrCat(summary, "\n", document));
  return absl::StrContains(text, "transitional") || absl::StrContains(text, "dummy package") ||
         CountWords(document) < kMinDocumentWords || CountWords(summary) < kMinSummaryWords;
}

// The lists whose names end in `kind`, plain or compressed, by name.
absl::StatusOr<std::vector<std::string>> Lists(const std::string& directory, absl::string_view kind) {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    std::string name = entry.path().filename().string();
    for (const char* suffix : {".lz4", ".xz", ".gz", ".bz2", ".zst"})
      name = std::string(absl::StripSuffix(name, suffix));
    if (entry.is_regular_file() && absl::EndsWith(name, kind)) found.push_back(entry.path().string());
  }
  std::sort(found.begin(), found.end());
  if (!found.empty()) return found;
  return absl::NotFoundError(absl::StrCat("no list of the kind *", kind, " in ", directory,
                                          "; bring them with: apt-get update -o Acquire::Languages=en"));
}

}  // namespace

std::string FamilyOfSource(absl::string_view source) {
  std::string family(source.substr(0, source.find(' ')));  // "gcc-12 (12.2.0-14)" where the versions differ.
  while (!family.empty() && (absl::ascii_isdigit(family.back()) || family.back() == '.' || family.back() == '-')) {
    family.pop_back();
  }
  return family.empty() ? std::string(source) : family;
}

void AddFamilies(absl::string_view packages, std::map<std::string, std::string, std::less<>>* families) {
  absl::string_view package;
  for (absl::string_view line : absl::StrSplit(packages, '\n')) {
    if (absl::ConsumePrefix(&line, "Package: ")) {
      package = line;
      families->emplace(package, FamilyOfSource(package));
    } else if (absl::ConsumePrefix(&line, "Source: ")) {
      (*families)[std::string(package)] = FamilyOfSource(line);
    }
  }
}

void DescriptionReader::Add(absl::string_view translations) {
  for (const absl::string_view stanza : absl::StrSplit(translations, "\n\n", absl::SkipEmpty())) AddStanza(stanza);
}

void DescriptionReader::AddStanza(absl::string_view stanza) {
  const absl::string_view package = Field(stanza, "Package"), summary = Field(stanza, "Description-en");
  std::string document = Unwrapped(stanza, "Description-en:");
  if (package.empty() || IsLeftOut(package, summary, document)) return;
  if (!first_paragraphs_.emplace(document.substr(0, document.find("\n\n"))).second) return;
  if (!packages_.emplace(package).second) return;
  const auto family = families_.find(package);
  examples_.push_back({.id = std::string(package),
                       .document = std::move(document),
                       .summary = std::string(summary),
                       .family = family == families_.end() ? FamilyOfSource(package) : family->second});
}

absl::StatusOr<std::vector<Example>> DebianCorpus(const std::string& lists) {
  ASSIGN_OR_RETURN(const std::vector<std::string> translations, Lists(lists, "_i18n_Translation-en"));
  ASSIGN_OR_RETURN(const std::vector<std::string> packages, Lists(lists, "_Packages"));
  std::map<std::string, std::string, std::less<>> families;
  for (const std::string& path : packages) {
    ASSIGN_OR_RETURN(const std::string text, ReadCompressed(path));
    AddFamilies(text, &families);
  }
  DescriptionReader reader(std::move(families));
  for (const std::string& path : translations) {
    ASSIGN_OR_RETURN(const std::string text, ReadCompressed(path));
    reader.Add(text);
  }
  std::vector<Example> examples = reader.Take();
  if (!examples.empty()) return examples;
  return absl::NotFoundError(absl::StrCat("the lists in ", lists, " hold no descriptions"));
}

}  // namespace trimtab
