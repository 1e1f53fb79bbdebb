#include "model/drafter.h"

#include <algorithm>

namespace trimtab {
namespace {

constexpr size_t kShortestMatch = 2;
constexpr size_t kLongestMatch = 4;
constexpr int32_t kLongestRest = 64;

// How many tokens before `end` of the article equal the last of `written`.
size_t MatchLength(std::span<const int32_t> article, size_t end, std::span<const int32_t> written) {
  const size_t most = std::min({end, written.size(), kLongestMatch});
  size_t length = 0;
  while (length < most && article[end - 1 - length] == written[written.size() - 1 - length]) ++length;
  return length;
}

}  // namespace

std::span<const int32_t> WhatFollowed(std::span<const int32_t> article, std::span<const int32_t> written) {
  size_t best = 0, place = 0;
  for (size_t end = 1; end + 1 < article.size(); ++end) {
    const size_t length = MatchLength(article, end, written);
    if (length >= kShortestMatch && length >= best) {
      best = length;
      place = end;
    }
  }
  if (best == 0) return {};
  return article.subspan(place, article.size() - 1 - place);
}

std::span<const int32_t> Drafter::Propose(std::span<const int32_t> written, int32_t room) {
  if (max_tokens_ == 0 || room <= 0) return {};
  if (rest_ > 0) {
    --rest_;
    return {};
  }
  const std::span<const int32_t> followed = WhatFollowed(article_, written);
  const int64_t length = std::min<int64_t>({static_cast<int64_t>(followed.size()), length_, max_tokens_, room});
  return followed.first(length);
}

void Drafter::Learn(int32_t proposed, int32_t accepted) {
  if (accepted == 0) {
    rest_ = penalty_;
    penalty_ = std::min(2 * penalty_, kLongestRest);
    length_ = std::max(length_ / 2, 1);
  } else {
    penalty_ = std::max(penalty_ / 2, 1);
    length_ = accepted == proposed ? std::min(2 * length_, std::max(max_tokens_, 1)) : accepted + 1;
  }
}

}  // namespace trimtab
