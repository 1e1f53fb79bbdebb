#include "model/logits.h"

#include <set>
#include <vector>

#include "gtest/gtest.h"

namespace trimtab {
namespace {

std::set<int32_t> Forbidden(const GenerationOptions& options, const std::vector<int32_t>& written,
                            const std::vector<int32_t>& guessed = {}) {
  std::vector<ForbiddenToken> forbidden;
  AppendForbidden(options, /*eos_id=*/1, /*start=*/0, written, guessed, /*row=*/7, &forbidden);
  std::set<int32_t> ids;
  for (const ForbiddenToken& token : forbidden) {
    EXPECT_EQ(token.row, 7);
    ids.insert(token.id);
  }
  return ids;
}

TEST(ForbiddenTest, EosIsForbiddenBeforeTheMinimumLength) {
  GenerationOptions options;
  options.min_new_tokens = 2;
  EXPECT_EQ(Forbidden(options, {3}), std::set<int32_t>{1});
  EXPECT_EQ(Forbidden(options, {3, 3}), std::set<int32_t>{});
  EXPECT_EQ(Forbidden(options, {3}, {3}), std::set<int32_t>{});
}

TEST(ForbiddenTest, NoNGramAppearsTwice) {
  GenerationOptions options;
  options.no_repeat_ngram_size = 2;
  // Start token 0, then 4 5 4: after 4 came 5, so 5 may not follow again.
  EXPECT_EQ(Forbidden(options, {4, 5, 4}), std::set<int32_t>{5});
  EXPECT_EQ(Forbidden(options, {4}, {5, 4}), std::set<int32_t>{5});
  // The start token counts: "0 4" has been, so after another 0, 4 may not follow.
  EXPECT_EQ(Forbidden(options, {4, 2, 0}), std::set<int32_t>{4});
  // Unigrams: nothing written may come again.
  options.no_repeat_ngram_size = 1;
  EXPECT_EQ(Forbidden(options, {2}, {3}), (std::set<int32_t>{0, 2, 3}));
  options.no_repeat_ngram_size = 4;
  EXPECT_EQ(Forbidden(options, {2, 3}), std::set<int32_t>{});
}

TEST(RuleTest, RandomNumbersDependOnSeedAndStepAlone) {
  GenerationOptions options;
  options.temperature = 1.0f;
  std::set<uint64_t> seen;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    options.seed = seed;
    for (uint64_t step = 0; step < 100; ++step) {
      seen.insert(RuleFor(options, step, 0).random);
      EXPECT_EQ(RuleFor(options, step, 0).random, RuleFor(options, step, 5).random);
    }
  }
  EXPECT_EQ(seen.size(), 1000u);
}

}  // namespace
}  // namespace trimtab
