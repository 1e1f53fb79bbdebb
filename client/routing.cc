#include "client/routing.h"

#include <xxhash.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"

namespace trimtab {

std::vector<size_t> RendezvousOrder(absl::string_view key, const std::vector<std::string>& servers) {
  std::vector<std::pair<uint64_t, size_t>> weighted;
  for (size_t i = 0; i < servers.size(); ++i) {
    const std::string text = absl::StrCat(key, " ", servers[i]);
    weighted.emplace_back(XXH3_64bits(text.data(), text.size()), i);
  }
  std::sort(weighted.begin(), weighted.end(), std::greater<>());
  std::vector<size_t> order;
  order.reserve(weighted.size());
  for (const auto& [weight, server] : weighted) order.push_back(server);
  return order;
}

Routing::Routing(std::vector<std::string> servers, absl::Duration pause)
    : servers_(std::move(servers)), pause_(pause), paused_until_(servers_.size(), absl::InfinitePast()) {}

std::vector<size_t> Routing::Order(absl::string_view key) {
  if (!key.empty()) return RendezvousOrder(key, servers_);
  std::vector<size_t> order(servers_.size());
  std::iota(order.begin(), order.end(), 0);
  absl::MutexLock lock(&mutex_);
  std::rotate(order.begin(), order.begin() + static_cast<ptrdiff_t>(turn_++ % order.size()), order.end());
  return order;
}

Routing::Choice Routing::Choose(const std::vector<size_t>& order, absl::Time now) const {
  absl::MutexLock lock(&mutex_);
  size_t first = order.front();
  for (const size_t server : order) {
    if (paused_until_[server] <= now) return {server, true};
    if (paused_until_[server] < paused_until_[first]) first = server;
  }
  return {first, false};
}

void Routing::Failed(size_t server, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  paused_until_[server] = now + pause_;
}

}  // namespace trimtab
