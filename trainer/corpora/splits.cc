#include "trainer/corpora/splits.h"

#include <xxhash.h>

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

// In [0, 1), evenly over families.
double PlaceOf(const std::string& family) {
  return static_cast<double>(XXH3_64bits(family.data(), family.size()) >> 11) * 0x1.0p-53;
}

}  // namespace

Splits SplitByFamily(std::vector<Example> examples, const SplitShares& shares) {
  Splits splits;
  for (Example& example : examples) {
    const double place = PlaceOf(example.family);
    std::vector<Example>& split = place < shares.valid                 ? splits.valid
                                  : place < shares.valid + shares.test ? splits.test
                                                                       : splits.train;
    split.push_back(std::move(example));
  }
  return splits;
}

absl::Status WriteSplits(const Splits& splits, const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return absl::InvalidArgumentError(absl::StrCat(directory, " cannot be made: ", error.message()));
  RETURN_IF_ERROR(WriteCorpus(splits.train, absl::StrCat(directory, "/train.jsonl")));
  RETURN_IF_ERROR(WriteCorpus(splits.valid, absl::StrCat(directory, "/valid.jsonl")));
  return WriteCorpus(splits.test, absl::StrCat(directory, "/test.jsonl"));
}

}  // namespace trimtab
