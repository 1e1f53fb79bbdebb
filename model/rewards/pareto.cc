#include "model/rewards/pareto.h"

#include <algorithm>
#include <functional>

namespace trimtab {
namespace {

bool Dominates(const std::vector<double>& a, const std::vector<double>& b) {
  return a != b && std::equal(a.begin(), a.end(), b.begin(), std::greater_equal<>());
}

}  // namespace

std::vector<size_t> NonDominated(std::span<const std::vector<double>> points) {
  std::vector<size_t> front;
  for (size_t i = 0; i < points.size(); ++i) {
    const auto dominates_it = [&](const std::vector<double>& other) { return Dominates(other, points[i]); };
    if (std::none_of(points.begin(), points.end(), dominates_it)) front.push_back(i);
  }
  return front;
}

}  // namespace trimtab
