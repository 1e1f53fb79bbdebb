#include "model/logits.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "Random123/philox.h"

namespace trimtab {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

void MaskRepeats(int32_t n, int32_t start, std::span<const int32_t> written, std::span<float> scores) {
  std::vector<int32_t> text = {start};
  text.insert(text.end(), written.begin(), written.end());
  const int64_t length = static_cast<int64_t>(text.size());
  if (length < n) return;
  const auto tail = text.end() - (n - 1);
  for (int64_t i = 0; i + n <= length; ++i) {
    if (std::equal(tail, text.end(), text.begin() + i)) scores[text[i + n - 1]] = kNever;
  }
}

// In (0, 1), from a counter-based generator: no state to carry, so batches and restarts do not matter.
double UniformAt(uint64_t seed, uint64_t step) {
  const r123::Philox4x32 philox;
  const r123::Philox4x32::ctr_type counter = {{static_cast<uint32_t>(step), static_cast<uint32_t>(step >> 32), 0, 0}};
  const r123::Philox4x32::key_type key = {{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)}};
  const auto bits = philox(counter, key);
  const uint64_t word = (uint64_t{bits[1]} << 32) | bits[0];
  return (static_cast<double>(word >> 11) + 0.5) * 0x1.0p-53;
}

}  // namespace

void MaskForbidden(const GenerationOptions& options, int32_t eos_id, int32_t start, std::span<const int32_t> written,
                   std::span<float> scores) {
  if (static_cast<int32_t>(written.size()) < options.min_new_tokens) scores[eos_id] = kNever;
  if (options.no_repeat_ngram_size > 0) MaskRepeats(options.no_repeat_ngram_size, start, written, scores);
}

int32_t ArgMax(std::span<const float> scores) {
  return static_cast<int32_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

double LogSumExp(std::span<const float> scores) {
  const float top = *std::max_element(scores.begin(), scores.end());
  double sum = 0.0;
  for (float score : scores) sum += std::exp(score - top);
  return top + std::log(sum);
}

int32_t Sample(const GenerationOptions& options, uint64_t step, std::span<const float> scores) {
  std::vector<int32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  auto likelier = [&](int32_t a, int32_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; };
  if (options.top_k > 0 && options.top_k < static_cast<int32_t>(order.size())) {
    std::partial_sort(order.begin(), order.begin() + options.top_k, order.end(), likelier);
    order.resize(options.top_k);
  } else if (options.top_p < 1.0f) {
    std::sort(order.begin(), order.end(), likelier);
  }
  const int32_t best = ArgMax(scores);
  std::vector<double> mass(order.size());
  double total = 0.0;
  for (size_t i = 0; i < order.size(); ++i) {
    mass[i] = std::exp((double{scores[order[i]]} - scores[best]) / options.temperature);
    total += mass[i];
  }
  double kept = 0.0;
  size_t count = 0;
  while (count < mass.size() && (count == 0 || kept < options.top_p * total)) kept += mass[count++];
  double left = UniformAt(options.seed, step) * kept;
  for (size_t i = 0; i < count; ++i) {
    if ((left -= mass[i]) < 0.0) return order[i];
  }
  return best;
}

}  // namespace trimtab
