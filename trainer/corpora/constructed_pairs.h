// Judgements that nobody made: what reward models learn from where there are no human ones. Each is constructed out of
// an example by a rule that usually gives what it claims. A nearest wrong summary may happen to fit, and a changed name
// may be another name of the same thing; what is learned is to tell these constructions apart, and no more than that
// should be claimed of it.
#ifndef TRIMTAB_TRAINER_CORPORA_CONSTRUCTED_PAIRS_H_
#define TRIMTAB_TRAINER_CORPORA_CONSTRUCTED_PAIRS_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer/corpora/corpus.h"

namespace trimtab {

// Whether a text follows from a document.
struct Judgement {
  std::string id;  // Of the example.
  std::string document;
  std::string summary;
  bool consistent = false;
  // Consistent: "true" or "first_sentence". Not: "nearest", "nearest_first_sentence", "number" or "name".
  std::string construction;
};

// Which of two summaries of one document is better.
struct Preference {
  std::string id;
  std::string document;
  std::string better;
  std::string worse;
  std::string construction;  // Of the worse: "nearest", "truncated", "repeated" or "shuffled".
};

// Both depend on the examples and `seed` alone, on any machine.

// Two for each example that allows it, one of each kind. Consistent is the summary, or in every fourth case the first
// sentence of the document, so that length does not give the answer away; not consistent is the same of the nearest
// wrong example, or the consistent text with one number or one name changed.
std::vector<Judgement> ConstructJudgements(std::span<const Example> examples, uint64_t seed);

// One for each example that allows it: its summary against one that is cut short, repeats itself, has its words in
// disorder, or belongs to the nearest wrong example.
std::vector<Preference> ConstructPreferences(std::span<const Example> examples, uint64_t seed);

// As lines of JSON, with the members as keys. Errors as ReadCorpus has them. Judgements and preferences of people are
// read alike: the construction may be absent.
absl::Status WriteJudgements(std::span<const Judgement> judgements, const std::string& path);
absl::StatusOr<std::vector<Judgement>> ReadJudgements(const std::string& path);
absl::Status WritePreferences(std::span<const Preference> preferences, const std::string& path);
absl::StatusOr<std::vector<Preference>> ReadPreferences(const std::string& path);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_CORPORA_CONSTRUCTED_PAIRS_H_
