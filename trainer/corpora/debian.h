// A corpus that every Debian machine holds: long package descriptions and their synopses, out of the apt lists.
#ifndef TRIMTAB_TRAINER_CORPORA_DEBIAN_H_
#define TRIMTAB_TRAINER_CORPORA_DEBIAN_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "trainer/corpora/corpus.h"

namespace trimtab {

inline constexpr char kAptLists[] = "/var/lib/apt/lists";

// Reads `lists` (Translation-en and Packages, plain or compressed) and nothing else; in the order of file names, so
// equal lists give equal corpora. NotFound, naming the command that brings them, where either kind is missing.
absl::StatusOr<std::vector<Example>> DebianCorpus(const std::string& lists = kAptLists);

// The parts of it, for tests. Pure.

// Binary package -> what its family is called: the source package without version digits, so that libfoo1, libfoo-dev
// and, of another source, libfoo2 stay together. `packages` is the text of a Packages file.
void AddFamilies(absl::string_view packages, std::map<std::string, std::string, std::less<>>* families);
std::string FamilyOfSource(absl::string_view source);

// Takes what makes an example from a Translation-en text. Left out: descriptions under 12 words, synopses under 2,
// transitional, dummy and debug packages, and all but the first with the same first paragraph. Wrapped lines are
// joined, paragraphs are separated by an empty line, lists keep their lines.
class DescriptionReader {
 public:
  explicit DescriptionReader(std::map<std::string, std::string, std::less<>> families)
      : families_(std::move(families)) {}
  void Add(absl::string_view translations);
  std::vector<Example> Take() { return std::move(examples_); }

 private:
  void AddStanza(absl::string_view stanza);

  const std::map<std::string, std::string, std::less<>> families_;
  std::set<std::string, std::less<>> packages_;
  std::set<std::string, std::less<>> first_paragraphs_;
  std::vector<Example> examples_;
};

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_CORPORA_DEBIAN_H_
