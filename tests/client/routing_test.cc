#include "client/routing.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trimtab {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::Le;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

const std::vector<std::string>& Three() {
  static const auto& servers = *new std::vector<std::string>{"10.0.0.1:50051", "10.0.0.2:50051", "10.0.0.3:50051"};
  return servers;
}

std::vector<std::string> Keys(int count) {
  std::vector<std::string> keys;
  for (int i = 0; i < count; ++i) keys.push_back(absl::StrCat("key", i));
  return keys;
}

std::string Home(const std::string& key, const std::vector<std::string>& servers) {
  return servers[RendezvousOrder(key, servers)[0]];
}

TEST(RendezvousOrderTest, HoldsEveryServerOnceAndIsTheSameEachTime) {
  for (const std::string& key : Keys(20)) {
    EXPECT_THAT(RendezvousOrder(key, Three()), UnorderedElementsAre(0, 1, 2));
    EXPECT_EQ(RendezvousOrder(key, Three()), RendezvousOrder(key, Three()));
  }
  EXPECT_THAT(RendezvousOrder("key", {"one:1"}), ElementsAre(0));
}

// tests/client/python/affinity_test.py expects the same.
TEST(RendezvousOrderTest, IsThatOfClientsInOtherLanguages) {
  EXPECT_THAT(RendezvousOrder("key0", Three()), ElementsAre(2, 0, 1));
  EXPECT_THAT(RendezvousOrder("key1", Three()), ElementsAre(1, 0, 2));
  EXPECT_THAT(RendezvousOrder("key4", Three()), ElementsAre(1, 2, 0));
  EXPECT_THAT(RendezvousOrder("key5", Three()), ElementsAre(2, 1, 0));
}

TEST(RendezvousOrderTest, SpreadsKeysEvenlyInEveryPlace) {
  for (size_t place = 0; place < 3; ++place) {
    std::map<size_t, int> keys;
    for (const std::string& key : Keys(300)) ++keys[RendezvousOrder(key, Three())[place]];
    EXPECT_THAT(keys, Each(Pair(testing::_, AllOf(Ge(70), Le(130)))));
  }
}

TEST(RendezvousOrderTest, AServerThatGoesMovesOnlyItsOwnKeysAndSpreadsThem) {
  std::map<std::string, int> moved_to;
  for (const std::string& key : Keys(300)) {
    const std::string before = Home(key, Three()), after = Home(key, {Three()[0], Three()[2]});
    if (before != Three()[1]) {
      EXPECT_EQ(after, before);
    } else {
      EXPECT_EQ(after, Three()[RendezvousOrder(key, Three())[1]]) << "the next in the key's order";
      ++moved_to[after];
    }
  }
  EXPECT_THAT(moved_to, UnorderedElementsAre(Pair(Three()[0], Ge(25)), Pair(Three()[2], Ge(25))));
}

TEST(RendezvousOrderTest, DoesNotDependOnHowTheServersAreListed) {
  const std::vector<std::string> listed = {Three()[2], Three()[0], Three()[1]};
  for (const std::string& key : Keys(50)) EXPECT_EQ(Home(key, listed), Home(key, Three()));
}

class RoutingTest : public testing::Test {
 protected:
  size_t Choose(absl::Time now) const { return routing_.Choose(order_, now).server; }

  const absl::Time start_ = absl::UnixEpoch();
  Routing routing_{Three(), /*pause=*/absl::Seconds(1)};
  const std::vector<size_t> order_ = {2, 0, 1};
};

TEST_F(RoutingTest, WithoutAKeyEachServerHasItsTurn) {
  EXPECT_THAT(routing_.Order(""), ElementsAre(0, 1, 2));
  EXPECT_THAT(routing_.Order(""), ElementsAre(1, 2, 0));
  EXPECT_THAT(routing_.Order(""), ElementsAre(2, 0, 1));
  EXPECT_THAT(routing_.Order(""), ElementsAre(0, 1, 2));
  EXPECT_EQ(routing_.Order("key"), RendezvousOrder("key", Three()));
}

TEST_F(RoutingTest, AFailedServerIsPassedOverUntilItsPauseIsOver) {
  EXPECT_EQ(Choose(start_), 2u);
  routing_.Failed(2, start_);
  EXPECT_EQ(Choose(start_), 0u);
  EXPECT_EQ(Choose(start_ + absl::Milliseconds(999)), 0u);
  EXPECT_EQ(Choose(start_ + absl::Seconds(1)), 2u);
}

TEST_F(RoutingTest, WhereAllFailedTheOneThatFailedFirstIsTriedWhenTheCallerHasWaited) {
  routing_.Failed(0, start_);
  routing_.Failed(2, start_ + absl::Milliseconds(1));
  EXPECT_TRUE(routing_.Choose(order_, start_).ready);
  routing_.Failed(1, start_ + absl::Milliseconds(2));
  const Routing::Choice choice = routing_.Choose(order_, start_ + absl::Milliseconds(3));
  EXPECT_EQ(choice.server, 0u);
  EXPECT_FALSE(choice.ready);
}

}  // namespace
}  // namespace trimtab
