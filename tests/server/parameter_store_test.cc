#include "server/parameter_store.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/fake_model.h"

namespace trimtab {
namespace {

using ::testing::HasSubstr;

TEST(ParameterStoreTest, GivesTheVersionItHolds) {
  const auto parameters = MakeParameters(3);
  const ParameterStore store(parameters);
  EXPECT_EQ(store.Current(), parameters);
}

TEST(ParameterStoreTest, FindsTheVersionByDigest) {
  const auto parameters = MakeParameters(3);
  const ParameterStore store(parameters);
  const auto found = store.Find("digest3");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(*found, parameters);
}

TEST(ParameterStoreTest, RefusesADigestItDoesNotHoldAndNamesTheOneItHas) {
  const ParameterStore store(MakeParameters(3));
  const absl::Status status = store.Find("digest4").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("'digest4'"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("'digest3'"));
}

TEST(ParameterStoreTest, RefusesAPrefixOfTheDigest) {
  const ParameterStore store(MakeParameters(3));
  EXPECT_TRUE(absl::IsFailedPrecondition(store.Find("digest").status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(store.Find("").status()));
}

TEST(ParameterStoreTest, ShowsAForeignDigestShortenedAndEscaped) {
  const ParameterStore store(MakeParameters(3));
  const absl::Status status = store.Find("\x01" + std::string(10000, 'x')).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("\\x01x"));
  EXPECT_LT(status.message().size(), 300u);
}

TEST(ParameterStoreTest, CountsVersionsThatAreHeldButNotServed) {
  ParameterStore store(MakeParameters(1));
  auto user = store.Current();
  EXPECT_EQ(store.retired(), 0);
  store.Publish(MakeParameters(2));
  store.Publish(MakeParameters(3));
  EXPECT_EQ(store.retired(), 1) << "nobody holds the second";
  user.reset();
  EXPECT_EQ(store.retired(), 0);
}

TEST(ParameterStoreTest, ServesWhatWasPublishedLastWhileOldVersionsLiveOnWithTheirUsers) {
  auto old = MakeParameters(3);
  const std::weak_ptr<const Parameters> watched = old;
  ParameterStore store(std::move(old));
  auto user = store.Current();
  const auto next = MakeParameters(4);
  store.Publish(next);
  EXPECT_EQ(store.Current(), next);
  EXPECT_FALSE(store.Find("digest3").ok());
  EXPECT_FALSE(watched.expired());
  user.reset();
  EXPECT_TRUE(watched.expired());
}

TEST(ParameterStoreTest, AnswersOnlyWithAVersionThatIsNewEnough) {
  const ParameterStore store(MakeParameters(3));  // Epoch 0.
  EXPECT_TRUE(store.AtLeast(0, 0).ok());
  EXPECT_TRUE(store.AtLeast(0, 3).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(store.AtLeast(0, 4).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(store.AtLeast(1, 0).status()));
}

}  // namespace
}  // namespace trimtab
