#include "trainer/corpora/spoil.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace trimtab {
namespace {

using Words = std::vector<absl::string_view>;

Words WordsOf(absl::string_view text) { return absl::StrSplit(text, absl::ByAnyChar(" \t\n"), absl::SkipEmpty()); }

// The longest runs of characters that `belongs` takes, as parts of `text`.
template <typename Belongs>
Words Runs(absl::string_view text, Belongs belongs) {
  Words runs;
  for (size_t i = 0; i < text.size();) {
    const size_t start = i;
    while (i < text.size() && belongs(text[i])) ++i;
    if (i > start) runs.push_back(text.substr(start, i - start));
    if (i == start) ++i;
  }
  return runs;
}

Words Numbers(absl::string_view text) {
  return Runs(text, [](char c) { return absl::ascii_isdigit(c); });
}

Words Names(absl::string_view text) {
  Words words = Runs(text, [](char c) { return absl::ascii_isalnum(c) || c == '-' || c == '+'; });
  std::erase_if(words, [&](absl::string_view word) {
    const bool opens = word.data() == text.data();
    return word.size() < 2 || std::none_of(word.begin() + (opens ? 1 : 0), word.end(), absl::ascii_isupper);
  });
  return words;
}

std::string Replaced(absl::string_view text, absl::string_view part, absl::string_view by) {
  const size_t start = static_cast<size_t>(part.data() - text.data());
  return absl::StrCat(text.substr(0, start), by, text.substr(start + part.size()));
}

}  // namespace

Dice::Dice(absl::string_view name, uint64_t seed) : engine_(XXH3_64bits_withSeed(name.data(), name.size(), seed)) {}

std::optional<std::string> ChangeNumber(absl::string_view text, absl::string_view document, Dice& dice) {
  const Words numbers = Numbers(text);
  if (numbers.empty()) return std::nullopt;
  const absl::string_view number = numbers[dice.Below(numbers.size())];
  Words others = Numbers(document);
  std::erase(others, number);
  if (!others.empty()) return Replaced(text, number, others[dice.Below(others.size())]);
  std::string changed(number);
  changed.back() = static_cast<char>('0' + (changed.back() - '0' + 1 + dice.Below(9)) % 10);
  return Replaced(text, number, changed);
}

std::optional<std::string> ChangeName(absl::string_view text, absl::string_view document, absl::string_view foreign,
                                      Dice& dice) {
  const Words names = Names(text);
  Words others = Names(foreign);
  std::erase_if(others, [&](absl::string_view name) {
    return absl::StrContains(document, name) || absl::StrContains(text, name);
  });
  if (names.empty() || others.empty()) return std::nullopt;
  return Replaced(text, names[dice.Below(names.size())], others[dice.Below(others.size())]);
}

std::optional<std::string> Truncate(absl::string_view text, Dice& dice) {
  Words words = WordsOf(text);
  if (words.size() < 2) return std::nullopt;
  words.resize(1 + dice.Below(words.size() / 2));
  return absl::StrJoin(words, " ");
}

std::optional<std::string> Repeat(absl::string_view text, Dice& dice) {
  Words words = WordsOf(text);
  if (words.empty()) return std::nullopt;
  const size_t length = 1 + dice.Below(std::min<size_t>(3, words.size()));
  const size_t end = length + dice.Below(words.size() - length + 1);
  const Words part(words.begin() + (end - length), words.begin() + end);
  for (int i = 0; i < 2; ++i) words.insert(words.begin() + end, part.begin(), part.end());
  return absl::StrJoin(words, " ");
}

std::optional<std::string> Shuffle(absl::string_view text, Dice& dice) {
  const Words before = WordsOf(text);
  Words words = before;
  for (size_t i = words.size(); i > 1; --i) std::swap(words[i - 1], words[dice.Below(i)]);
  for (size_t i = 0; i < words.size() && words == before; ++i) std::swap(words[0], words[i]);  // It may have come out.
  if (words == before) return std::nullopt;
  return absl::StrJoin(words, " ");
}

}  // namespace trimtab
