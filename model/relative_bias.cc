#include "model/relative_bias.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace trimtab {

int32_t RelativeBucket(int32_t distance, bool bidirectional, int32_t buckets, int32_t max_distance) {
  int32_t base = 0;
  int32_t away = std::max(-distance, 0);
  if (bidirectional) {
    buckets /= 2;
    base = distance > 0 ? buckets : 0;
    away = std::abs(distance);
  }
  const int32_t exact = buckets / 2;
  if (away < exact) return base + away;
  // In float32, in this order, so that bucket edges fall where models were trained with them.
  const float octaves = std::log(static_cast<float>(away) / static_cast<float>(exact));
  const float range = static_cast<float>(std::log(static_cast<double>(max_distance) / exact));
  const int32_t large = exact + static_cast<int32_t>(octaves / range * static_cast<float>(buckets - exact));
  return base + std::min(large, buckets - 1);
}

std::vector<float> ExpandRelativeBias(const std::vector<float>& table, const T5Config& config, bool bidirectional) {
  const int32_t reach = config.relative_max_distance;
  const int64_t width = 2 * int64_t{reach} + 1;
  std::vector<float> expanded(config.num_heads * width);
  for (int32_t distance = -reach; distance <= reach; ++distance) {
    const int32_t bucket = RelativeBucket(distance, bidirectional, config.relative_buckets, reach);
    for (int32_t head = 0; head < config.num_heads; ++head) {
      expanded[head * width + reach + distance] = table[int64_t{bucket} * config.num_heads + head];
    }
  }
  return expanded;
}

}  // namespace trimtab
