// What a load is made of, drawn from a seed, so that a run repeats: when requests come and which weighting each asks
// for. Pure.
#ifndef TRIMTAB_CLIENT_LOAD_DRAWS_H_
#define TRIMTAB_CLIENT_LOAD_DRAWS_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "absl/time/time.h"

namespace trimtab {

// Uniform in [0, 1), the same from every standard library.
double UniformOf(std::mt19937_64& random);

// Arrivals that know nothing of each other: a Poisson process of `rate` a second. REQUIRES: rate > 0.
class PoissonArrivals {
 public:
  PoissonArrivals(double rate, uint64_t seed) : rate_(rate), random_(seed) {}
  absl::Duration Next();  // From the start of the load; grows.

 private:
  const double rate_;
  std::mt19937_64 random_;
  double seconds_ = 0.0;
};

// Ranks 0 to count - 1, rank r with a chance proportional to 1 / (r + 1)^exponent; 0: all alike. REQUIRES: count > 0.
class ZipfRanks {
 public:
  ZipfRanks(size_t count, double exponent);
  size_t Draw(std::mt19937_64& random) const;

 private:
  std::vector<double> cumulative_;  // The last is 1.
};

// `count` points of the simplex of `rewards` weights, evenly spread over it (Dirichlet(1)). Each sums to 1 within
// rounding.
std::vector<std::vector<double>> SimplexPoints(size_t count, size_t rewards, uint64_t seed);

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_LOAD_DRAWS_H_
