#include "model/generation.h"

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "model/field_error.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

TEST(GenerationOptionsTest, DefaultsAreValid) { EXPECT_OK(ValidateGenerationOptions({}, 100)); }

TEST(GenerationOptionsTest, EveryAbsurdValueIsRefusedNamingItsField) {
  struct Case {
    std::string field;
    std::function<void(GenerationOptions&)> spoil;
  };
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const std::vector<Case> cases = {
      {"max_new_tokens", [](auto& o) { o.max_new_tokens = 0; }},
      {"max_new_tokens", [](auto& o) { o.max_new_tokens = 1 << 30; }},
      {"max_new_tokens", [](auto& o) { o.max_new_tokens = -5; }},
      {"min_new_tokens", [](auto& o) { o.min_new_tokens = -1; }},
      {"min_new_tokens", [](auto& o) { o.min_new_tokens = o.max_new_tokens + 1; }},
      {"num_beams", [](auto& o) { o.num_beams = 0; }},
      {"num_beams", [](auto& o) { o.num_beams = 9; }},
      {"num_beams", [](auto& o) { o.num_beams = 2, o.temperature = 1.0f; }},
      {"length_penalty", [=](auto& o) { o.length_penalty = nan; }},
      {"length_penalty", [=](auto& o) { o.length_penalty = -infinity; }},
      {"no_repeat_ngram_size", [](auto& o) { o.no_repeat_ngram_size = 17; }},
      {"temperature", [=](auto& o) { o.temperature = nan; }},
      {"temperature", [](auto& o) { o.temperature = -0.1f; }},
      {"temperature", [=](auto& o) { o.temperature = infinity; }},
      {"top_k", [](auto& o) { o.top_k = 101; }},
      {"top_k", [](auto& o) { o.top_k = -1; }},
      {"top_p", [](auto& o) { o.top_p = 0.0f; }},
      {"top_p", [=](auto& o) { o.top_p = nan; }},
      {"top_p", [](auto& o) { o.top_p = 1.5f; }},
  };
  for (const Case& c : cases) {
    GenerationOptions options;
    c.spoil(options);
    const absl::Status status = ValidateGenerationOptions(options, 100);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_EQ(FieldOf(status), "options." + c.field);
  }
}

}  // namespace
}  // namespace trimtab
