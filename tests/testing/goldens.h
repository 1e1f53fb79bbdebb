// The golden files of tests/model/testdata/golden: one folder for each shape of T5, made by
// tests/oracle/make_goldens.py.
#ifndef TRIMTAB_TESTS_TESTING_GOLDENS_H_
#define TRIMTAB_TESTS_TESTING_GOLDENS_H_

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

namespace trimtab {

inline constexpr int kGoldenCases = 4;  // Articles of each.
inline constexpr char kGoldenFolder[] = TRIMTAB_SOURCE_DIR "/tests/model/testdata/golden";

inline std::vector<std::string> GoldenArchitectures() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kGoldenFolder)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace trimtab

#endif  // TRIMTAB_TESTS_TESTING_GOLDENS_H_
