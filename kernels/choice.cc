#include "kernels/choice.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels/choice_math.h"

namespace trimtab {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

// Cuts `keys` to those of the likeliest tokens that have `share` of their mass.
void CutToMass(float share, std::span<const float> scores, const TokenMass& mass, std::vector<uint64_t>* keys) {
  std::sort(keys->begin(), keys->end(), std::greater<>());
  const auto mass_of = [&](uint64_t key) { return mass(scores[TokenOf(key)]); };
  uint64_t total = 0, kept = 0;
  for (const uint64_t key : *keys) total += mass_of(key);
  if (total == 0) return;
  const uint64_t wanted = MassWithin(share, total);
  size_t count = 0;
  while (kept < wanted) kept += mass_of((*keys)[count++]);
  keys->resize(count);
}

// The tokens that top_k and top_p keep, in the order of their ids.
std::vector<int32_t> Kept(const TokenRule& rule, std::span<const float> scores, const TokenMass& mass) {
  std::vector<int32_t> ids(scores.size());
  std::iota(ids.begin(), ids.end(), 0);
  const bool some = rule.top_k > 0 && rule.top_k < static_cast<int64_t>(scores.size());
  if (!some && rule.top_p >= 1.0f) return ids;
  std::vector<uint64_t> keys(scores.size());
  for (size_t i = 0; i < keys.size(); ++i) keys[i] = TokenKey(scores[i], ids[i]);
  if (some) {
    std::partial_sort(keys.begin(), keys.begin() + rule.top_k, keys.end(), std::greater<>());
    keys.resize(rule.top_k);
  }
  if (rule.top_p < 1.0f) CutToMass(rule.top_p, scores, mass, &keys);
  ids.resize(keys.size());
  std::transform(keys.begin(), keys.end(), ids.begin(), TokenOf);
  std::sort(ids.begin(), ids.end());
  return ids;
}

// As many as there is room for.
void Likeliest(std::span<const float> scores, std::span<ChosenToken> tokens) {
  std::vector<uint64_t> keys;  // A heap with the worst on top.
  for (size_t i = 0; i < scores.size(); ++i) {
    const uint64_t key = TokenKey(scores[i], static_cast<int32_t>(i));
    if (keys.size() == tokens.size()) {
      if (key < keys.front()) continue;
      std::pop_heap(keys.begin(), keys.end(), std::greater<>());
      keys.pop_back();
    }
    keys.push_back(key);
    std::push_heap(keys.begin(), keys.end(), std::greater<>());
  }
  std::sort_heap(keys.begin(), keys.end(), std::greater<>());
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i].id = TokenOf(keys[i]);
}

}  // namespace

int32_t ArgMax(std::span<const float> scores) {
  return static_cast<int32_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

double LogSumExp(std::span<const float> scores) {
  const float top = *std::max_element(scores.begin(), scores.end());
  double sum = 0.0;
  for (float score : scores) sum += std::exp(score - top);
  return top + std::log(sum);
}

int32_t DrawToken(const TokenRule& rule, std::span<const float> scores) {
  const int32_t best = ArgMax(scores);
  const TokenMass mass{scores[best], 1.0f / rule.temperature};
  const std::vector<int32_t> kept = Kept(rule, scores, mass);
  uint64_t total = 0, before = 0;
  for (const int32_t id : kept) total += mass(scores[id]);
  const uint64_t point = PointWithin(rule.random, total);
  for (const int32_t id : kept) {
    before += mass(scores[id]);
    if (before > point) return id;
  }
  return best;  // Everything is forbidden.
}

void ChooseTokensOnHost(Rows logits, int64_t vocab_size, std::span<const TokenRule> rules,
                        std::span<const ForbiddenToken> forbidden, std::span<ChosenToken> chosen) {
  auto next = forbidden.begin();
  for (const TokenRule& rule : rules) {
    const std::span<float> scores(logits.row(rule.row), vocab_size);
    const double log_sum = rule.log_prob ? LogSumExp(scores) : 0.0;
    for (; next != forbidden.end() && next->row == rule.row; ++next) scores[next->id] = kNever;
    const std::span<ChosenToken> of_row = chosen.first(rule.count);
    if (rule.count > 1) {
      Likeliest(scores, of_row);
    } else {
      of_row[0].id = rule.temperature > 0.0f ? DrawToken(rule, scores) : ArgMax(scores);
    }
    for (ChosenToken& token : of_row) {
      token.log_prob = rule.log_prob ? static_cast<float>(scores[token.id] - log_sum) : 0.0f;
    }
    chosen = chosen.subspan(rule.count);
  }
}

void MixRows(Backend& backend, Rows logits, int64_t vocab_size, std::span<const RowMix> mixes) {
  if (mixes.empty()) return;
  if (TokenChooser* const chooser = backend.token_chooser()) return chooser->MixRows(logits, vocab_size, mixes);
  logits.data = backend.OnHost(logits.data, logits.count * logits.stride);
  for (const RowMix& mix : mixes) {
    float* const mixed = logits.row(mix.row);
    for (int64_t i = 0; i < vocab_size; ++i) {
      float sum = mix.coefficients[0] * mixed[i];
      for (size_t j = 1; j < mix.coefficients.size(); ++j) {
        sum += mix.coefficients[j] * mixed[static_cast<int64_t>(j) * logits.stride + i];
      }
      mixed[i] = sum;
    }
  }
}

void ChooseTokens(Backend& backend, Rows logits, int64_t vocab_size, std::span<const TokenRule> rules,
                  std::span<const ForbiddenToken> forbidden, std::span<ChosenToken> chosen) {
  if (rules.empty()) return;
  if (TokenChooser* const chooser = backend.token_chooser()) {
    return chooser->ChooseTokens(logits, vocab_size, rules, forbidden, chosen);
  }
  logits.data = backend.OnHost(logits.data, logits.count * logits.stride);
  ChooseTokensOnHost(logits, vocab_size, rules, forbidden, chosen);
}

}  // namespace trimtab
