#include "server/memory_budget.h"

#include <vector>

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

class MemoryBudgetTest : public testing::Test {
 protected:
  prometheus::Registry registry_;
  Metrics metrics_{registry_};
  MemoryBudget budget_{100, &metrics_};
};

TEST_F(MemoryBudgetTest, AdmitsWhileTheSumFitsAndCountsWhatItRefuses) {
  std::vector<MemoryBudget::Share> shares;
  for (const int64_t bytes : {60, 30, 10}) shares.push_back(budget_.Take(bytes).value());
  EXPECT_EQ(metrics_.request_memory.Value(), 100);
  EXPECT_THAT(budget_.Take(1), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(metrics_.rejected_memory.Value(), 1);
  shares.erase(shares.begin() + 1);
  EXPECT_EQ(metrics_.request_memory.Value(), 70);
  EXPECT_OK(budget_.Take(30));
  EXPECT_EQ(metrics_.request_memory.Value(), 70);
}

TEST_F(MemoryBudgetTest, AShareThatIsReplacedGivesItsBytesBackOnce) {
  {
    MemoryBudget::Share share = budget_.Take(40).value();
    share = budget_.Take(50).value();
    EXPECT_EQ(metrics_.request_memory.Value(), 50);
    MemoryBudget::Share moved = std::move(share);
    EXPECT_EQ(metrics_.request_memory.Value(), 50);
  }
  EXPECT_EQ(metrics_.request_memory.Value(), 0);
  EXPECT_EQ(metrics_.request_memory_limit.Value(), 100);
}

}  // namespace
}  // namespace trimtab
