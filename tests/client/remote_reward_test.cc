#include "client/remote_reward.h"

#include <functional>
#include <limits>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Gives the length of each summary, unless told otherwise.
class FakeRewards final : public v1::Rewards::Service {
 public:
  grpc::Status Describe(grpc::ServerContext*, const v1::DescribeRewardsRequest*,
                        v1::DescribeRewardsResponse* response) override {
    for (const std::string& name : names) response->add_names(name);
    return grpc::Status::OK;
  }

  grpc::Status Score(grpc::ServerContext*, const v1::ScoreRequest* request, v1::ScoreResponse* response) override {
    calls.push_back(request->texts_size());
    if (on_score) return on_score(response);
    for (const v1::RewardText& text : request->texts()) {
      response->add_scores()->add_values(static_cast<double>(text.summary().size()));
    }
    return grpc::Status::OK;
  }

  std::vector<std::string> names = {"length"};
  std::vector<int> calls;
  std::function<grpc::Status(v1::ScoreResponse*)> on_score;
};

class RemoteRewardTest : public testing::Test {
 protected:
  void SetUp() override {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&fake_);
    server_ = builder.BuildAndStart();
    address_ = absl::StrCat("127.0.0.1:", port);
  }

  absl::StatusOr<std::vector<std::vector<double>>> ScoreOne(absl::Duration timeout = absl::Seconds(10)) {
    auto reward = RemoteReward::Connect(address_, {.timeout = absl::Seconds(10)});
    if (!reward.ok()) return reward.status();
    if (timeout != absl::Seconds(10)) reward = RemoteReward::Connect(address_, {.timeout = timeout});
    const ScoredText text{"article", "four", ""};
    return (*reward)->ScoreAll({&text, 1});
  }

  FakeRewards fake_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

TEST_F(RemoteRewardTest, ScoresBatchesWithinTheLimitsOfACall) {
  ASSERT_OK_AND_ASSIGN(const auto reward, RemoteReward::Connect(address_));
  EXPECT_THAT(reward->names(), ElementsAre("length"));
  EXPECT_FALSE(reward->needs_reference());
  const std::vector<ScoredText> many(130, {"a", "four", ""});
  ASSERT_OK_AND_ASSIGN(const auto scores, reward->ScoreAll(many));
  ASSERT_EQ(scores.size(), 130u);
  EXPECT_THAT(scores[129], ElementsAre(4.0));
  EXPECT_THAT(fake_.calls, ElementsAre(64, 64, 2));

  fake_.calls.clear();
  const std::string article(1 << 20, 'a');
  const std::vector<ScoredText> large(4, {article, "four", ""});
  ASSERT_OK(reward->ScoreAll(large));
  EXPECT_THAT(fake_.calls, ElementsAre(2, 2));
  EXPECT_TRUE(reward->ScoreAll({})->empty());
}

TEST_F(RemoteRewardTest, AnAnswerThatBreaksTheContractIsRefusedAndSaysWhose) {
  const auto broken = [this](absl::string_view what) {
    return StatusIs(absl::StatusCode::kInternal, AllOf(HasSubstr(address_), HasSubstr(std::string(what))));
  };
  fake_.on_score = [](v1::ScoreResponse*) { return grpc::Status::OK; };
  EXPECT_THAT(ScoreOne(), broken("0 scores for 1 texts"));
  fake_.on_score = [](v1::ScoreResponse* response) {
    response->add_scores();
    return grpc::Status::OK;
  };
  EXPECT_THAT(ScoreOne(), broken("0 values for 1 names"));
  fake_.on_score = [](v1::ScoreResponse* response) {
    response->add_scores()->add_values(std::numeric_limits<double>::quiet_NaN());
    return grpc::Status::OK;
  };
  EXPECT_THAT(ScoreOne(), broken("not finite"));
  for (const std::vector<std::string>& names :
       {std::vector<std::string>{}, {"a", "a"}, {"A"}, std::vector<std::string>(17, "a")}) {
    fake_.names = names;
    EXPECT_THAT(ScoreOne(), broken("names"));
  }
}

TEST_F(RemoteRewardTest, AnErrorOfTheServerComesWithItsName) {
  fake_.on_score = [](v1::ScoreResponse*) { return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "no GPU"); };
  EXPECT_THAT(ScoreOne(),
              StatusIs(absl::StatusCode::kFailedPrecondition, AllOf(HasSubstr(address_), HasSubstr("no GPU"))));
}

TEST_F(RemoteRewardTest, AServerThatIsAwayForAMomentIsAskedAgain) {
  fake_.on_score = [this](v1::ScoreResponse* response) {
    if (fake_.calls.size() < 2) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "restarting");
    response->add_scores()->add_values(1.0);
    return grpc::Status::OK;
  };
  ASSERT_OK(ScoreOne());
  EXPECT_EQ(fake_.calls.size(), 2u);
}

TEST_F(RemoteRewardTest, WhoDoesNotAnswerInTimeIsNamed) {
  const auto done = std::make_shared<absl::Notification>();  // Calls may outlast the test's body.
  fake_.on_score = [done](v1::ScoreResponse*) {
    done->WaitForNotification();
    return grpc::Status::OK;
  };
  EXPECT_THAT(ScoreOne(absl::Milliseconds(300)),
              StatusIs(absl::StatusCode::kDeadlineExceeded, AllOf(HasSubstr(address_), HasSubstr("does it run"))));
  done->Notify();
}

TEST(RemoteRewardExampleTest, TheExampleInPythonScores) {
  Process server({"/usr/bin/python3", "-B", TRIMTAB_SOURCE_DIR "/client/examples/remote_reward/server.py", "--listen",
                  "127.0.0.1:0"});
  const std::string line = server.FirstLine();
  absl::string_view address = line;
  ASSERT_TRUE(absl::ConsumePrefix(&address, "rewards on ")) << line << server.err();
  ASSERT_OK_AND_ASSIGN(const auto reward, RemoteReward::Connect(std::string(address)));
  EXPECT_THAT(reward->names(), ElementsAre("brevity", "extractive"));
  const std::vector<ScoredText> texts = {{"the sails are trimmed", "sails trimmed well", ""}, {"article", "", ""}};
  ASSERT_OK_AND_ASSIGN(const auto scores, reward->ScoreAll(texts));
  EXPECT_THAT(scores[0], ElementsAre(-3.0, testing::DoubleNear(66.67, 0.01)));
  EXPECT_THAT(scores[1], ElementsAre(0.0, 0.0));
}

}  // namespace
}  // namespace trimtab
