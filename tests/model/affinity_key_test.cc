#include "model/affinity_key.h"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "model/weighting.h"

namespace trimtab {
namespace {

// Made with Python: xxhash.xxh3_64_hexdigest(struct.pack("<3f", 0.25, 0.75, 0)). Who changes these moves every key of
// every deployment to another server.
TEST(AffinityKeyTest, NeverChanges) {
  EXPECT_EQ(AffinityKey(std::vector<float>{1.0f}), "f87b05471331b3ae");
  EXPECT_EQ(AffinityKey(std::vector<float>{1.0f, 0.0f, 0.0f}), "6df08fee9a04e5b0");
  EXPECT_EQ(AffinityKey(std::vector<float>{0.25f, 0.75f, 0.0f}), "3900d9617a3d627e");
  EXPECT_EQ(AffinityKey(std::vector<float>{0.5f, 0.25f, 0.25f}), "366472a3729f62a9");
  std::vector<float> seventeen(16, 0.0f);
  seventeen.push_back(1.0f);
  EXPECT_EQ(AffinityKey(seventeen), "646dc59d33d835b5");
}

TEST(AffinityKeyTest, IsEqualForWeightingsThatSnapToOneMixtureAndDiffersOtherwise) {
  const MixingRule rule{MixingKind::kSoftmdp, 0.1};
  const auto key = [&](double alpha, double first) {
    const auto weighting = Weighting::Create(rule, 2, alpha, {first, 1.0 - first});
    return AffinityKey(Coefficients::From(rule, *weighting, {.w_bits = 10, .beta_bits = 10}).values());
  };
  EXPECT_EQ(key(0.3, 0.25), key(0.3, 0.25 + 1e-6));
  EXPECT_EQ(key(1.0, 0.25), key(1.0, 0.75));  // All reference.
  std::set<std::string> keys;
  for (int i = 0; i <= 512; ++i) keys.insert(key(0.3, i / 1024.0));
  EXPECT_EQ(keys.size(), 513u);
}

TEST(ArticleKeyTest, IsTheHashOfItsBytes) {
  EXPECT_EQ(ArticleKey(""), "2d06800538d394c2");  // As XXH3 is specified.
  EXPECT_NE(ArticleKey("an article"), ArticleKey("another"));
}

std::vector<std::string> List(const std::string& column) { return absl::StrSplit(column, ','); }
double ExactDouble(const std::string& hexadecimal) { return std::strtod(hexadecimal.c_str(), nullptr); }

// The columns are explained in tests/client/python/make_affinity_golden.py.
TEST(AffinityKeyTest, IsThatOfClientsInOtherLanguages) {
  std::ifstream file(TRIMTAB_SOURCE_DIR "/tests/model/testdata/affinity/keys.tsv");
  int lines = 0;
  for (std::string line; std::getline(file, line); ++lines) {
    const std::vector<std::string> columns = absl::StrSplit(line, '\t');
    ASSERT_EQ(columns.size(), 8u);
    std::vector<double> w;
    for (const std::string& entry : List(columns[5])) w.push_back(ExactDouble(entry));
    const MixingRule rule{*ParseMixingKind(columns[0]), ExactDouble(columns[1])};
    const CoefficientGrid grid{.w_bits = std::stoi(columns[2]), .beta_bits = std::stoi(columns[3])};
    const int rewards = static_cast<int>(w.size());
    const auto weighting = Weighting::Create(rule, rewards, ExactDouble(columns[4]), std::move(w));
    ASSERT_TRUE(weighting.ok()) << weighting.status();
    const Coefficients coefficients = Coefficients::From(rule, *weighting, grid);
    std::vector<float> expected;
    for (const std::string& units : List(columns[6])) {
      expected.push_back(std::ldexp(std::stof(units), -20));
    }
    EXPECT_EQ(coefficients.values(), expected) << line;
    EXPECT_EQ(AffinityKey(coefficients.values()), columns[7]) << line;
  }
  EXPECT_GT(lines, 100);
}

}  // namespace
}  // namespace trimtab
