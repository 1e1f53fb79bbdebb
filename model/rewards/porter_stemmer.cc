#include "model/rewards/porter_stemmer.h"

#include <map>
#include <span>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace trimtab {
namespace {

using absl::string_view;

// 'v' for each vowel, 'c' for each consonant. A y is a vowel after a consonant.
std::string Shape(string_view word) {
  std::string shape(word.size(), 'c');
  for (size_t i = 0; i < word.size(); ++i) {
    const bool vowel = word[i] == 'y' ? i > 0 && shape[i - 1] == 'c' : absl::StrContains("aeiou", word.substr(i, 1));
    if (vowel) shape[i] = 'v';
  }
  return shape;
}

// Porter's m: how often a consonant follows a vowel.
int Measure(string_view stem) {
  const std::string shape = Shape(stem);
  int measure = 0;
  for (size_t i = 1; i < shape.size(); ++i) measure += shape[i - 1] == 'v' && shape[i] == 'c';
  return measure;
}

bool Always(string_view) { return true; }
bool IsMeasured(string_view stem) { return Measure(stem) > 0; }
bool IsLong(string_view stem) { return Measure(stem) > 1; }
bool HasVowel(string_view stem) { return absl::StrContains(Shape(stem), "v"); }

bool EndsInDoubleConsonant(string_view word) {
  const size_t n = word.size();
  return n >= 2 && word[n - 1] == word[n - 2] && Shape(word).back() == 'c';
}

// Consonant, vowel, consonant other than w, x, y: "hop"; or a word of a vowel and a consonant: "us".
bool EndsInShortSyllable(string_view word) {
  const std::string shape = Shape(word);
  return (absl::EndsWith(shape, "cvc") && !absl::StrContains("wxy", word.substr(word.size() - 1))) || shape == "vc";
}

struct Rule {
  string_view suffix;
  string_view replacement;
  bool (*applies)(string_view stem);
};

// The first rule whose suffix fits decides.
std::string Apply(string_view word, std::span<const Rule> rules) {
  for (const Rule& rule : rules) {
    if (!absl::EndsWith(word, rule.suffix)) continue;
    const string_view stem = word.substr(0, word.size() - rule.suffix.size());
    return rule.applies(stem) ? absl::StrCat(stem, rule.replacement) : std::string(word);
  }
  return std::string(word);
}

std::string Plural(string_view word) {
  if (word.size() == 4 && absl::EndsWith(word, "ies")) return std::string(word.substr(0, 3));
  constexpr Rule kRules[] = {{"sses", "ss", Always}, {"ies", "i", Always}, {"ss", "ss", Always}, {"s", "", Always}};
  return Apply(word, kRules);
}

// What follows where -ed or -ing was taken off.
std::string Repaired(string_view stem) {
  constexpr Rule kRules[] = {{"at", "ate", Always}, {"bl", "ble", Always}, {"iz", "ize", Always}};
  if (std::string repaired = Apply(stem, kRules); repaired != stem) return repaired;
  if (EndsInDoubleConsonant(stem)) {
    const bool stays = absl::StrContains("lsz", stem.substr(stem.size() - 1));
    return std::string(stays ? stem : stem.substr(0, stem.size() - 1));
  }
  return absl::StrCat(stem, Measure(stem) == 1 && EndsInShortSyllable(stem) ? "e" : "");
}

std::string PastAndGerund(string_view word) {
  const string_view without_two = word.substr(0, word.size() < 2 ? 0 : word.size() - 2);
  if (absl::EndsWith(word, "ied")) return std::string(word.substr(0, word.size() - (word.size() == 4 ? 1 : 2)));
  if (absl::EndsWith(word, "eed")) {
    return std::string(IsMeasured(word.substr(0, word.size() - 3)) ? word.substr(0, word.size() - 1) : word);
  }
  if (absl::EndsWith(word, "ed") && HasVowel(without_two)) return Repaired(without_two);
  if (absl::EndsWith(word, "ing") && HasVowel(word.substr(0, word.size() - 3))) {
    return Repaired(word.substr(0, word.size() - 3));
  }
  return std::string(word);
}

std::string FinalY(string_view word) {
  constexpr Rule kRules[] = {{"y", "i", [](string_view stem) { return stem.size() > 1 && Shape(stem).back() == 'c'; }}};
  return Apply(word, kRules);
}

std::string DoubleSuffix(string_view word) {
  constexpr Rule kRules[] = {
      {"ational", "ate", IsMeasured},
      {"tional", "tion", IsMeasured},
      {"enci", "ence", IsMeasured},
      {"anci", "ance", IsMeasured},
      {"izer", "ize", IsMeasured},
      {"bli", "ble", IsMeasured},
      {"alli", "al", IsMeasured},
      {"entli", "ent", IsMeasured},
      {"eli", "e", IsMeasured},
      {"ousli", "ous", IsMeasured},
      {"ization", "ize", IsMeasured},
      {"ation", "ate", IsMeasured},
      {"ator", "ate", IsMeasured},
      {"alism", "al", IsMeasured},
      {"iveness", "ive", IsMeasured},
      {"fulness", "ful", IsMeasured},
      {"ousness", "ous", IsMeasured},
      {"aliti", "al", IsMeasured},
      {"iviti", "ive", IsMeasured},
      {"biliti", "ble", IsMeasured},
      {"fulli", "ful", IsMeasured},
      {"logi", "log", [](string_view stem) { return IsMeasured(absl::StrCat(stem, "l")); }},
  };
  const std::string once = Apply(word, kRules);
  return absl::EndsWith(word, "alli") && once != word ? DoubleSuffix(once) : once;
}

std::string IcFulNess(string_view word) {
  constexpr Rule kRules[] = {
      {"icate", "ic", IsMeasured}, {"ative", "", IsMeasured}, {"alize", "al", IsMeasured}, {"iciti", "ic", IsMeasured},
      {"ical", "ic", IsMeasured},  {"ful", "", IsMeasured},   {"ness", "", IsMeasured},
  };
  return Apply(word, kRules);
}

std::string AntEnce(string_view word) {
  constexpr Rule kRules[] = {
      {"al", "", IsLong},
      {"ance", "", IsLong},
      {"ence", "", IsLong},
      {"er", "", IsLong},
      {"ic", "", IsLong},
      {"able", "", IsLong},
      {"ible", "", IsLong},
      {"ant", "", IsLong},
      {"ement", "", IsLong},
      {"ment", "", IsLong},
      {"ent", "", IsLong},
      {"ion", "", [](string_view stem) { return IsLong(stem) && (stem.back() == 's' || stem.back() == 't'); }},
      {"ou", "", IsLong},
      {"ism", "", IsLong},
      {"ate", "", IsLong},
      {"iti", "", IsLong},
      {"ous", "", IsLong},
      {"ive", "", IsLong},
      {"ize", "", IsLong},
  };
  return Apply(word, kRules);
}

std::string FinalE(string_view word) {
  constexpr Rule kRules[] = {{"e", "", [](string_view stem) {
                                const int measure = Measure(stem);
                                return measure > 1 || (measure == 1 && !EndsInShortSyllable(stem));
                              }}};
  return Apply(word, kRules);
}

std::string FinalDoubleL(string_view word) {
  constexpr Rule kRules[] = {{"ll", "l", [](string_view stem) { return IsLong(absl::StrCat(stem, "l")); }}};
  return Apply(word, kRules);
}

const std::string* Irregular(string_view word) {
  static const auto& words = *new std::map<std::string, std::string, std::less<>>{
      {"sky", "sky"},        {"skies", "sky"},       {"dying", "die"},        {"lying", "lie"},
      {"tying", "tie"},      {"news", "news"},       {"innings", "inning"},   {"inning", "inning"},
      {"outings", "outing"}, {"outing", "outing"},   {"cannings", "canning"}, {"canning", "canning"},
      {"howe", "howe"},      {"proceed", "proceed"}, {"exceed", "exceed"},    {"succeed", "succeed"}};
  const auto found = words.find(std::string(word));
  return found == words.end() ? nullptr : &found->second;
}

}  // namespace

std::string PorterStem(string_view word) {
  if (const std::string* stem = Irregular(word)) return *stem;
  if (word.size() <= 2) return std::string(word);
  std::string stem(word);
  for (const auto step : {Plural, PastAndGerund, FinalY, DoubleSuffix, IcFulNess, AntEnce, FinalE, FinalDoubleL}) {
    stem = step(stem);
  }
  return stem;
}

}  // namespace trimtab
