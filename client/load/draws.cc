#include "client/load/draws.h"

#include <algorithm>
#include <cmath>

namespace trimtab {
namespace {

// Of mean 1.
double ExponentialOf(std::mt19937_64& random) { return -std::log1p(-UniformOf(random)); }

}  // namespace

double UniformOf(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

absl::Duration PoissonArrivals::Next() {
  seconds_ += ExponentialOf(random_) / rate_;
  return absl::Seconds(seconds_);
}

ZipfRanks::ZipfRanks(size_t count, double exponent) {
  double sum = 0.0;
  for (size_t rank = 0; rank < count; ++rank) {
    sum += std::pow(static_cast<double>(rank + 1), -exponent);
    cumulative_.push_back(sum);
  }
  for (double& value : cumulative_) value /= sum;
}

size_t ZipfRanks::Draw(std::mt19937_64& random) const {
  const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end() - 1, UniformOf(random));
  return static_cast<size_t>(found - cumulative_.begin());
}

std::vector<std::vector<double>> SimplexPoints(size_t count, size_t rewards, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::vector<double>> points(count, std::vector<double>(rewards));
  for (std::vector<double>& point : points) {
    double sum = 0.0;
    for (double& weight : point) sum += weight = ExponentialOf(random);
    for (double& weight : point) weight = sum > 0.0 ? weight / sum : 1.0 / static_cast<double>(rewards);
  }
  return points;
}

}  // namespace trimtab
