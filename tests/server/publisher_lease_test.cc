#include "server/publisher_lease.h"

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr PublisherLease::Time kStart{};

TEST(PublisherLeaseTest, OneHolderAtATime) {
  PublisherLease lease({}, seconds(30));
  ASSERT_OK(lease.Check({"a", 1}, kStart));
  lease.Renew({"a", 1}, kStart);
  EXPECT_OK(lease.Check({"a", 1}, kStart + seconds(29)));
  EXPECT_THAT(
      lease.Check({"b", 2}, kStart + seconds(29)),
      StatusIs(absl::StatusCode::kAborted, HasSubstr("a publishes here (lease epoch 1); its lease lapses 1 s")));
  EXPECT_OK(lease.Check({"b", 2}, kStart + seconds(30)));
}

TEST(PublisherLeaseTest, EveryMessageRenewsIt) {
  PublisherLease lease({}, seconds(30));
  lease.Renew({"a", 1}, kStart);
  lease.Renew({"a", 1}, kStart + seconds(20));
  EXPECT_FALSE(lease.Check({"b", 2}, kStart + seconds(49)).ok());
  EXPECT_TRUE(lease.alive(kStart + seconds(49)));
  EXPECT_FALSE(lease.alive(kStart + seconds(50)));
}

TEST(PublisherLeaseTest, AnEpochThatWasPassedIsRefusedForEver) {
  PublisherLease lease({}, seconds(30));
  lease.Renew({"a", 1}, kStart);
  lease.Renew({"b", 2}, kStart + seconds(30));
  for (const int later : {31, 100, 100000}) {
    EXPECT_THAT(lease.Check({"a", 1}, kStart + seconds(later)),
                StatusIs(absl::StatusCode::kAborted, HasSubstr("is over: b took epoch 2")));
  }
}

TEST(PublisherLeaseTest, AnEpochHasOneHolder) {
  PublisherLease lease({}, seconds(30));
  lease.Renew({"a", 5}, kStart);
  EXPECT_THAT(lease.Check({"b", 5}, kStart + seconds(100)),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("belongs to a")));
}

TEST(PublisherLeaseTest, AHolderThatStartedAgainTakesItsOwnOverAtOnce) {
  PublisherLease lease({}, seconds(30));
  lease.Renew({"a", 1}, kStart);
  EXPECT_OK(lease.Check({"a", 2}, kStart + seconds(1)));
}

TEST(PublisherLeaseTest, AfterARestartTheLastEpochStillCounts) {
  const PublisherLease lease({"a", 7}, seconds(30));
  EXPECT_FALSE(lease.alive(kStart));
  EXPECT_OK(lease.Check({"a", 7}, kStart));
  EXPECT_OK(lease.Check({"b", 8}, kStart));
  EXPECT_THAT(lease.Check({"b", 7}, kStart), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(lease.Check({"a", 6}, kStart), StatusIs(absl::StatusCode::kAborted));
}

}  // namespace
}  // namespace trimtab
