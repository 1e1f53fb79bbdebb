#include "trainer/corpora/constructed_pairs.h"

#include <array>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/mapped_file.h"
#include "model/status_macros.h"
#include "trainer/corpora/nearest_summary.h"
#include "trainer/corpora/spoil.h"

namespace trimtab {
namespace {

using nlohmann::json;

struct Spoiled {
  std::string text;
  std::string construction;
};

// What `text`, which is consistent with `example`, becomes: half of the time that of the nearest example.
std::optional<Spoiled> Contradict(const Example& example, const std::string& text, const Example* nearest,
                                  const Spoiled& of_nearest, Dice& dice) {
  const size_t kind = dice.Below(4);
  std::optional<std::string> changed;
  if (kind == 0) {
    changed = ChangeNumber(text, example.document, dice);
    if (changed.has_value()) return Spoiled{*std::move(changed), "number"};
  }
  if (kind <= 1 && nearest != nullptr) {
    changed = ChangeName(text, example.document, nearest->document, dice);
    if (changed.has_value()) return Spoiled{*std::move(changed), "name"};
  }
  if (nearest == nullptr || of_nearest.text == text) return std::nullopt;
  return of_nearest;
}

std::optional<Spoiled> Worsen(const std::string& summary, const Example* nearest, Dice& dice) {
  const size_t first = dice.Below(4);
  for (size_t i = 0; i < 4; ++i) {
    const size_t kind = (first + i) % 4;
    std::optional<std::string> text;
    if (kind == 0 && nearest != nullptr) text = nearest->summary;
    if (kind == 1) text = Truncate(summary, dice);
    if (kind == 2) text = Repeat(summary, dice);
    if (kind == 3) text = Shuffle(summary, dice);
    constexpr std::array kNames = {"nearest", "truncated", "repeated", "shuffled"};
    if (text.has_value() && *text != summary) return Spoiled{*std::move(text), kNames[kind]};
  }
  return std::nullopt;
}

const Example* NearestOf(const NearestSummaries& nearest, std::span<const Example> examples, size_t index) {
  const std::optional<size_t> found = nearest.Find(index);
  return found.has_value() ? &examples[*found] : nullptr;
}

absl::Status WriteLines(const std::vector<nlohmann::ordered_json>& lines, const std::string& path) {
  std::string text;
  for (const auto& line : lines)
    absl::StrAppend(&text, line.dump(-1, ' ', false, json::error_handler_t::replace), "\n");
  return WriteFileAtomically(path, std::as_bytes(std::span<const char>(text.data(), text.size())));
}

std::string TextOr(const json& object, const char* key, absl::string_view fallback) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string(fallback);
}

absl::Status NoneIn(const std::string& path, absl::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat(path, " has no lines; expected ", expected));
}

}  // namespace

std::vector<Judgement> ConstructJudgements(std::span<const Example> examples, uint64_t seed) {
  const NearestSummaries nearest(examples);
  std::vector<Judgement> judgements;
  for (size_t i = 0; i < examples.size(); ++i) {
    const Example& example = examples[i];
    Dice dice(example.id, seed);
    const Example* other = NearestOf(nearest, examples, i);
    const bool is_sentence = dice.Below(4) == 0;
    const std::string text = is_sentence ? FirstSentence(example.document) : example.summary;
    Spoiled of_other;
    if (other != nullptr) {
      of_other = is_sentence ? Spoiled{FirstSentence(other->document), "nearest_first_sentence"}
                             : Spoiled{other->summary, "nearest"};
    }
    std::optional<Spoiled> wrong = Contradict(example, text, other, of_other, dice);
    if (!wrong.has_value()) continue;
    judgements.push_back({example.id, example.document, text, true, is_sentence ? "first_sentence" : "true"});
    judgements.push_back({example.id, example.document, std::move(wrong->text), false, wrong->construction});
  }
  return judgements;
}

std::vector<Preference> ConstructPreferences(std::span<const Example> examples, uint64_t seed) {
  const NearestSummaries nearest(examples);
  std::vector<Preference> preferences;
  for (size_t i = 0; i < examples.size(); ++i) {
    const Example& example = examples[i];
    Dice dice(example.id, seed);
    std::optional<Spoiled> worse = Worsen(example.summary, NearestOf(nearest, examples, i), dice);
    if (!worse.has_value()) continue;
    preferences.push_back({example.id, example.document, example.summary, std::move(worse->text), worse->construction});
  }
  return preferences;
}

absl::Status WriteJudgements(std::span<const Judgement> judgements, const std::string& path) {
  std::vector<nlohmann::ordered_json> lines;
  for (const Judgement& judgement : judgements) {
    lines.push_back({{"id", judgement.id},
                     {"document", judgement.document},
                     {"summary", judgement.summary},
                     {"consistent", judgement.consistent},
                     {"construction", judgement.construction}});
  }
  return WriteLines(lines, path);
}

absl::Status WritePreferences(std::span<const Preference> preferences, const std::string& path) {
  std::vector<nlohmann::ordered_json> lines;
  for (const Preference& preference : preferences) {
    lines.push_back({{"id", preference.id},
                     {"document", preference.document},
                     {"better", preference.better},
                     {"worse", preference.worse},
                     {"construction", preference.construction}});
  }
  return WriteLines(lines, path);
}

absl::StatusOr<std::vector<Judgement>> ReadJudgements(const std::string& path) {
  std::vector<Judgement> judgements;
  RETURN_IF_ERROR(ForEachJsonLine(path, [&](const json& object, const std::string& where) -> absl::Status {
    Judgement judgement;
    judgement.id = TextOr(object, "id", where);
    judgement.construction = TextOr(object, "construction", "");
    ASSIGN_OR_RETURN(judgement.document, RequiredText(object, "document", where));
    ASSIGN_OR_RETURN(judgement.summary, RequiredText(object, "summary", where));
    const auto consistent = object.find("consistent");
    if (consistent == object.end() || !consistent->is_boolean()) {
      return absl::InvalidArgumentError(absl::StrCat(where, ": consistent is missing; expected true or false"));
    }
    judgement.consistent = consistent->get<bool>();
    judgements.push_back(std::move(judgement));
    return absl::OkStatus();
  }));
  if (judgements.empty()) return NoneIn(path, "{\"document\", \"summary\", \"consistent\"}");
  return judgements;
}

absl::StatusOr<std::vector<Preference>> ReadPreferences(const std::string& path) {
  std::vector<Preference> preferences;
  RETURN_IF_ERROR(ForEachJsonLine(path, [&](const json& object, const std::string& where) -> absl::Status {
    Preference preference;
    preference.id = TextOr(object, "id", where);
    preference.construction = TextOr(object, "construction", "");
    ASSIGN_OR_RETURN(preference.document, RequiredText(object, "document", where));
    ASSIGN_OR_RETURN(preference.better, RequiredText(object, "better", where));
    ASSIGN_OR_RETURN(preference.worse, RequiredText(object, "worse", where));
    preferences.push_back(std::move(preference));
    return absl::OkStatus();
  }));
  if (preferences.empty()) return NoneIn(path, "{\"document\", \"better\", \"worse\"}");
  return preferences;
}

}  // namespace trimtab
