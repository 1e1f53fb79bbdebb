#include "model/rewards/pareto.h"

#include <vector>

#include "gtest/gtest.h"

namespace trimtab {
namespace {

TEST(NonDominatedTest, KeepsThePointsThatNoOtherBeats) {
  const struct {
    const char* name;
    std::vector<std::vector<double>> points;
    std::vector<size_t> front;
  } kCases[] = {
      {"no point", {}, {}},
      {"one point", {{1, 2}}, {0}},
      {"a trade-off keeps all", {{1, 3}, {2, 2}, {3, 1}}, {0, 1, 2}},
      {"better in one and equal in the other beats", {{1, 2}, {1, 3}, {0, 3}}, {1}},
      {"equal points are both on the front", {{2, 2}, {1, 1}, {2, 2}}, {0, 2}},
      {"equal points fall together", {{1, 1}, {2, 2}, {1, 1}}, {1}},
      {"one objective keeps its best", {{1}, {3}, {2}, {3}}, {1, 3}},
      {"three objectives", {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {0, 0, 0}}, {0, 1, 2}},
      {"the least of the three decides", {{5, 5, 1}, {5, 5, 2}}, {1}},
      {"without objectives none is beaten", {{}, {}}, {0, 1}},
      {"negative values are as good as any", {{-1, -2}, {-2, -1}, {-3, -3}}, {0, 1}},
  };
  for (const auto& c : kCases) EXPECT_EQ(NonDominated(c.points), c.front) << c.name;
}

}  // namespace
}  // namespace trimtab
