// The device chooses the very tokens that the host does.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/choice.h"
#include "kernels/cuda/cuda_backend.h"
#include "tests/kernels/cuda/device_rows.h"
#include "tests/kernels/random_floats.h"

namespace trimtab {
namespace {

class CudaChoiceTest : public testing::Test {
 protected:
  // Rows of `vocab` logits; between them lies what would win.
  std::vector<float> Padded(const std::vector<float>& logits, int64_t vocab) const {
    std::vector<float> padded;
    for (size_t begin = 0; begin < logits.size(); begin += vocab) {
      padded.insert(padded.end(), logits.begin() + begin, logits.begin() + begin + vocab);
      padded.insert(padded.end(), 2, 1e9f);
    }
    return padded;
  }

  void ExpectSameAsOnHost(const std::vector<float>& logits, int64_t vocab, const std::vector<TokenRule>& rules,
                          const std::vector<ForbiddenToken>& forbidden = {}) {
    std::vector<float> padded = Padded(logits, vocab);
    DeviceRows rows(*cuda_, padded, vocab + 2);
    size_t tokens = 0;
    for (const TokenRule& rule : rules) tokens += rule.count;
    std::vector<ChosenToken> on_device(tokens), on_host(tokens);
    ChooseTokens(*cuda_, rows.rows(), vocab, rules, forbidden, on_device);
    const auto count = static_cast<int64_t>(padded.size()) / (vocab + 2);
    ChooseTokensOnHost({padded.data(), count, vocab + 2}, vocab, rules, forbidden, on_host);
    for (size_t i = 0; i < tokens; ++i) {
      ASSERT_EQ(on_device[i].id, on_host[i].id) << "token " << i << " of " << vocab;
      ASSERT_NEAR(on_device[i].log_prob, on_host[i].log_prob, 1e-5);
    }
    EXPECT_EQ(rows.values(), padded) << "forbidden logits are overwritten, nothing else is";
  }

  std::unique_ptr<Backend> cuda_ = NewCudaBackend(0).value();
  std::mt19937_64 random_{1};
};

std::vector<float> Rounded(std::vector<float> values) {  // So that many are equal.
  for (float& value : values) value = std::round(value * 2.0f) / 2.0f;
  return values;
}

TEST_F(CudaChoiceTest, TheLikeliestOfOneTo64RowsWithTies) {
  for (const int64_t count : {1, 2, 7, 33, 64}) {
    for (const int64_t vocab : {1, 5, 97, 513}) {
      std::vector<TokenRule> rules;
      for (int64_t row = 0; row < count; ++row) rules.push_back({.row = row, .log_prob = row % 3 == 0});
      ExpectSameAsOnHost(Rounded(RandomFloats(count * vocab, static_cast<uint32_t>(vocab))), vocab, rules);
    }
  }
}

TEST_F(CudaChoiceTest, DrawsByEveryRule) {
  for (const int64_t vocab : {1, 31, 600}) {
    for (const bool ties : {false, true}) {
      std::vector<TokenRule> rules;
      for (const float temperature : {0.3f, 1.0f, 4.0f}) {
        for (const int32_t top_k : {0, 1, 3, 40}) {
          for (const float top_p : {1.0f, 0.9f, 0.2f}) {
            rules.push_back({.row = static_cast<int64_t>(rules.size()),
                             .random = random_(),
                             .temperature = temperature,
                             .top_p = top_p,
                             .top_k = top_k});
          }
        }
      }
      std::vector<float> logits = RandomFloats(static_cast<int64_t>(rules.size()) * vocab, 5);
      for (float& value : logits) value *= 4.0f;
      ExpectSameAsOnHost(ties ? Rounded(logits) : logits, vocab, rules);
    }
  }
}

TEST_F(CudaChoiceTest, SeveralOfTheLikeliestAmongRowsOfOne) {
  for (const int64_t vocab : {20, 530}) {
    for (const bool ties : {false, true}) {
      std::vector<TokenRule> rules = {{.row = 4, .count = 16, .log_prob = true},
                                      {.row = 0, .log_prob = true},
                                      {.row = 2, .random = random_(), .temperature = 1.0f, .log_prob = true},
                                      {.row = 1, .count = 2},
                                      {.row = 3, .count = 20, .log_prob = true}};
      const std::vector<float> logits = RandomFloats(5 * vocab, 12);
      const std::vector<ForbiddenToken> forbidden = {{4, 3}, {4, 11}, {1, 0}};
      ExpectSameAsOnHost(ties ? Rounded(logits) : logits, vocab, rules, forbidden);
    }
  }
}

TEST_F(CudaChoiceTest, RowsMixToTheBitsOfTheHost) {
  for (const int64_t vocab : {1, 511, 512, 513, 1300}) {
    std::vector<float> padded = Padded(RandomFloats(9 * vocab, 3), vocab);
    const std::vector<float> two = {0.3f, 0.7f}, four = RandomFloats(4, 4), one = {0.25f};
    const std::vector<RowMix> mixes = {{1, four}, {5, one}, {7, two}};
    DeviceRows rows(*cuda_, padded, vocab + 2);
    MixRows(*cuda_, rows.rows(), vocab, mixes);
    MixRows(*NewReferenceBackend(), {padded.data(), 9, vocab + 2}, vocab, mixes);
    EXPECT_EQ(rows.values(), padded);
  }
}

TEST_F(CudaChoiceTest, DrawsTheEndsOfTheRange) {
  std::vector<TokenRule> rules;
  for (const uint64_t random : {uint64_t{0}, ~uint64_t{0}}) {
    for (const float top_p : {1.0f, 1e-6f, 0.5f}) {
      rules.push_back(
          {.row = static_cast<int64_t>(rules.size()), .random = random, .temperature = 1.0f, .top_p = top_p});
    }
  }
  ExpectSameAsOnHost(std::vector<float>(6 * 50, -2.5f), 50, rules);
  ExpectSameAsOnHost(std::vector<float>(6 * 50, -std::numeric_limits<float>::infinity()), 50, rules);
}

TEST_F(CudaChoiceTest, APointWhereATokensMassBeginsDrawsThatToken) {
  const int64_t vocab = 64;
  std::vector<TokenRule> rules;
  for (int64_t id = 0; id < vocab; ++id) {
    rules.push_back({.row = id, .random = static_cast<uint64_t>(id) << 58, .temperature = 1.0f});
  }
  ExpectSameAsOnHost(std::vector<float>(vocab * vocab, 0.5f), vocab, rules);
}

TEST_F(CudaChoiceTest, ForbiddenTokensAreNeitherLikeliestNorDrawn) {
  const int64_t vocab = 70;
  const std::vector<float> logits = RandomFloats(4 * vocab, 2);
  std::vector<TokenRule> rules = {{.row = 0, .log_prob = true}, {.row = 3, .random = random_(), .temperature = 2.0f}};
  std::vector<ForbiddenToken> forbidden;
  for (int32_t id = 0; id < vocab; ++id) {
    if (id != 13) forbidden.push_back({3, id});
  }
  const auto best = std::max_element(logits.begin(), logits.begin() + vocab) - logits.begin();
  forbidden.insert(forbidden.begin(), 2, {0, static_cast<int32_t>(best)});
  ExpectSameAsOnHost(logits, vocab, rules, forbidden);
}

TEST_F(CudaChoiceTest, AVocabularyOfT5AndMoreForbiddenTokensThanOneTableHolds) {
  const int64_t vocab = 32128;
  std::vector<ForbiddenToken> forbidden;
  for (int32_t id = 0; id < 5000; ++id) forbidden.push_back({0, 3 * id});
  const std::vector<TokenRule> rules = {
      {.row = 0, .log_prob = true},
      {.row = 1, .random = random_(), .temperature = 1.0f, .top_p = 0.95f, .top_k = 200, .log_prob = true}};
  ExpectSameAsOnHost(RandomFloats(2 * vocab, 8), vocab, rules, forbidden);
}

}  // namespace
}  // namespace trimtab
