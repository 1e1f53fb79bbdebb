#include "model/logits.h"

#include <algorithm>

#include "Random123/philox.h"

namespace trimtab {
namespace {

// From a counter-based generator: no state to carry, so batches and restarts do not matter.
uint64_t RandomAt(uint64_t seed, uint64_t step) {
  const r123::Philox4x32 philox;
  const r123::Philox4x32::ctr_type counter = {{static_cast<uint32_t>(step), static_cast<uint32_t>(step >> 32), 0, 0}};
  const r123::Philox4x32::key_type key = {{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)}};
  const auto bits = philox(counter, key);
  return (uint64_t{bits[1]} << 32) | bits[0];
}

}  // namespace

void AppendForbidden(const GenerationOptions& options, int32_t eos_id, int32_t start, std::span<const int32_t> written,
                     std::span<const int32_t> guessed, int64_t row, std::vector<ForbiddenToken>* forbidden) {
  const auto length = static_cast<int64_t>(written.size() + guessed.size());
  if (length < options.min_new_tokens) forbidden->push_back({row, eos_id});
  const int64_t n = options.no_repeat_ngram_size;
  if (n == 0 || length + 1 < n) return;
  std::vector<int32_t> text = {start};
  text.insert(text.end(), written.begin(), written.end());
  text.insert(text.end(), guessed.begin(), guessed.end());
  const auto tail = text.end() - (n - 1);
  for (int64_t i = 0; i + n <= length + 1; ++i) {
    if (std::equal(tail, text.end(), text.begin() + i)) forbidden->push_back({row, text[i + n - 1]});
  }
}

TokenRule RuleFor(const GenerationOptions& options, uint64_t step, int64_t row) {
  TokenRule rule{.row = row, .log_prob = options.log_probs};
  if (options.temperature == 0.0f) return rule;
  rule.random = RandomAt(options.seed, step);
  rule.temperature = options.temperature;
  rule.top_k = options.top_k;
  rule.top_p = options.top_p;
  return rule;
}

}  // namespace trimtab
