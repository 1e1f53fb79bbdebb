#include "kernels/choice.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
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

bool CutsByCount(const TokenRule& rule, size_t vocab_size) {
  return rule.top_k > 0 && static_cast<size_t>(rule.top_k) < vocab_size;
}

// The tokens that top_k and top_p keep, in the order of their ids.
std::vector<int32_t> Kept(const TokenRule& rule, std::span<const float> scores, const TokenMass& mass) {
  std::vector<uint64_t> keys(scores.size());
  for (size_t i = 0; i < keys.size(); ++i) keys[i] = TokenKey(scores[i], static_cast<int32_t>(i));
  if (CutsByCount(rule, scores.size())) {
    std::partial_sort(keys.begin(), keys.begin() + rule.top_k, keys.end(), std::greater<>());
    keys.resize(rule.top_k);
  }
  if (rule.top_p < 1.0f) CutToMass(rule.top_p, scores, mass, &keys);
  std::vector<int32_t> ids(keys.size());
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

// Which of these is drawn; none where there is no mass.
std::optional<size_t> DrawOf(std::span<const uint64_t> masses, uint64_t random) {
  const uint64_t point = PointWithin(random, std::accumulate(masses.begin(), masses.end(), uint64_t{0}));
  uint64_t before = 0;
  for (size_t i = 0; i < masses.size(); ++i) {
    before += masses[i];
    if (before > point) return i;
  }
  return std::nullopt;
}

// log(sum(exp(scores))) where `top` is the largest.
double LogSumExpFrom(float top, std::span<const float> scores) {
  double sum = 0.0;
  for (float score : scores) sum += std::exp(score - top);
  return top + std::log(sum);
}

// Draws where `best` is the likeliest token.
int32_t DrawKnowing(int32_t best, const TokenRule& rule, std::span<const float> scores) {
  const TokenMass mass{scores[best], 1.0f / rule.temperature};
  std::vector<uint64_t> masses;
  if (rule.top_p >= 1.0f && !CutsByCount(rule, scores.size())) {
    masses.resize(scores.size());
    std::transform(scores.begin(), scores.end(), masses.begin(), mass);
    return static_cast<int32_t>(DrawOf(masses, rule.random).value_or(best));
  }
  const std::vector<int32_t> kept = Kept(rule, scores, mass);
  for (const int32_t id : kept) masses.push_back(mass(scores[id]));
  const std::optional<size_t> drawn = DrawOf(masses, rule.random);
  return drawn.has_value() ? kept[*drawn] : best;
}

}  // namespace

int32_t ArgMax(std::span<const float> scores) {
  return static_cast<int32_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

double LogSumExp(std::span<const float> scores) { return LogSumExpFrom(scores[ArgMax(scores)], scores); }

int32_t DrawToken(const TokenRule& rule, std::span<const float> scores) {
  return DrawKnowing(ArgMax(scores), rule, scores);
}

void ChooseTokensOnHost(Rows logits, int64_t vocab_size, std::span<const TokenRule> rules,
                        std::span<const ForbiddenToken> forbidden, std::span<ChosenToken> chosen) {
  auto next = forbidden.begin();
  for (const TokenRule& rule : rules) {
    const std::span<float> scores(logits.row(rule.row), vocab_size);
    int32_t best = ArgMax(scores);
    const double log_sum = rule.log_prob ? LogSumExpFrom(scores[best], scores) : 0.0;
    for (; next != forbidden.end() && next->row == rule.row; ++next) scores[next->id] = kNever;
    if (scores[best] == kNever) best = ArgMax(scores);
    const std::span<ChosenToken> of_row = chosen.first(rule.count);
    if (rule.count > 1) {
      Likeliest(scores, of_row);
    } else {
      of_row[0].id = rule.temperature > 0.0f ? DrawKnowing(best, rule, scores) : best;
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
