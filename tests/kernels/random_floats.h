#ifndef TRIMTAB_TESTS_KERNELS_RANDOM_FLOATS_H_
#define TRIMTAB_TESTS_KERNELS_RANDOM_FLOATS_H_

#include <cstdint>
#include <random>
#include <vector>

namespace trimtab {

// `n` floats from N(0, 1), the same for the same seed.
inline std::vector<float> RandomFloats(int64_t n, uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& value : values) value = normal(generator);
  return values;
}

}  // namespace trimtab

#endif  // TRIMTAB_TESTS_KERNELS_RANDOM_FLOATS_H_
