#include "trainer/supervised/batches.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <utility>

#include "trainer/step_random.h"

namespace trimtab {
namespace {

constexpr size_t kStretch = 50;  // Batches.

// std::shuffle differs between standard libraries.
template <typename T>
void Shuffle(std::vector<T>& items, std::mt19937_64& random) {
  for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random() % i]);
}

}  // namespace

std::vector<std::vector<size_t>> EpochBatches(std::span<const int32_t> lengths, size_t batch_size, uint64_t seed,
                                              uint64_t epoch) {
  std::mt19937_64 random = StepRandom(seed, Chance::kShuffle, epoch);
  std::vector<size_t> order(lengths.size());
  std::iota(order.begin(), order.end(), size_t{0});
  Shuffle(order, random);
  if (order.size() <= batch_size) return {order};
  order.resize(order.size() / batch_size * batch_size);
  std::vector<std::vector<size_t>> batches;
  for (size_t start = 0; start < order.size(); start += kStretch * batch_size) {
    const auto from = order.begin() + static_cast<std::ptrdiff_t>(start);
    const auto to = order.begin() + static_cast<std::ptrdiff_t>(std::min(start + kStretch * batch_size, order.size()));
    std::stable_sort(from, to, [&](size_t a, size_t b) { return lengths[a] < lengths[b]; });
    for (auto batch = from; batch != to; batch += static_cast<std::ptrdiff_t>(batch_size)) {
      batches.emplace_back(batch, batch + static_cast<std::ptrdiff_t>(batch_size));
    }
  }
  Shuffle(batches, random);
  return batches;
}

}  // namespace trimtab
