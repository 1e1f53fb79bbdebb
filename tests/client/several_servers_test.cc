// The client before several servers, which do and say what the test wants.
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "client/routing.h"
#include "client/summarizer_client.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "model/affinity_key.h"
#include "tests/testing/status_matchers.h"
#include "trimtab/v1/admin.grpc.pb.h"
#include "trimtab/v1/summarizer.grpc.pb.h"

namespace trimtab {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::Ge;
using testing::SizeIs;

// Answers with the coefficients of its weights, or fails; remembers the key of each call.
class FakeServer final : public v1::Summarizer::Service, public v1::Admin::Service {
 public:
  grpc::Status GetModelInfo(grpc::ServerContext*, const v1::GetModelInfoRequest*,
                            v1::GetModelInfoResponse* info) override {
    ++infos;
    for (const char* name : {"brief", "full"}) info->add_rewards()->set_name(name);
    info->set_mixing("fixed");
    info->set_alpha_min(1.0);
    info->set_default_alpha(1.0);
    info->set_grid_bits_w(20);
    info->set_grid_bits_beta(20);
    return grpc::Status::OK;
  }

  grpc::Status Summarize(grpc::ServerContext* context, const v1::SummarizeRequest* request,
                         v1::SummarizeResponse* response) override {
    Remember(*context);
    if (failure_.error_code() != grpc::StatusCode::OK) return failure_;
    for (const double w : request->steering().weights()) {
      response->mutable_weighting()->add_coefficients(static_cast<float>(w));
    }
    return grpc::Status::OK;
  }

  grpc::Status StreamSummarize(grpc::ServerContext* context, const v1::SummarizeRequest* request,
                               grpc::ServerWriter<v1::StreamSummarizeResponse>* writer) override {
    v1::StreamSummarizeResponse message;
    if (fail_after_text) {
      Remember(*context);
      message.set_text("half");
      writer->Write(message);
      return grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone");
    }
    const grpc::Status status = Summarize(context, request, message.mutable_result());
    if (status.ok()) writer->Write(message);
    return status;
  }

  grpc::Status Prewarm(grpc::ServerContext*, const v1::PrewarmRequest* request,
                       v1::PrewarmResponse* response) override {
    for (const v1::Steering& steering : request->weightings()) {
      v1::PrewarmResult* result = response->add_results();
      result->set_resident(true);
      result->set_reason(absl::StrCat(steering.weights(0)));
      ++prewarmed;
    }
    return grpc::Status::OK;
  }

  void Fail(grpc::StatusCode code) { failure_ = grpc::Status(code, "no"); }
  void FailAsFull() {
    google::rpc::Status rich;
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_nanos(1'000'000);
    rich.add_details()->PackFrom(retry);
    failure_ = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "full", rich.SerializeAsString());
  }
  std::vector<std::string> keys() {
    std::lock_guard<std::mutex> lock(mutex_);
    return keys_;
  }
  void ForgetKeys() {
    std::lock_guard<std::mutex> lock(mutex_);
    keys_.clear();
  }

  std::atomic<int> infos = 0, prewarmed = 0;
  bool fail_after_text = false;

 private:
  void Remember(const grpc::ServerContext& context) {
    const auto found = context.client_metadata().find("x-trimtab-affinity");
    std::lock_guard<std::mutex> lock(mutex_);
    keys_.push_back(found == context.client_metadata().end() ? ""
                                                             : std::string(found->second.begin(), found->second.end()));
  }

  grpc::Status failure_;
  std::mutex mutex_;
  std::vector<std::string> keys_;
};

v1::Steering SteeringOfWeight(double first) {
  v1::Steering steering;
  steering.add_weights(first);
  steering.add_weights(1.0 - first);
  return steering;
}

v1::SummarizeRequest Request(double first) {
  v1::SummarizeRequest request;
  request.set_article("it");
  *request.mutable_steering() = SteeringOfWeight(first);
  return request;
}

std::string KeyOf(double first) {
  return AffinityKey(std::vector<float>{static_cast<float>(first), static_cast<float>(1.0 - first)});
}

class SeveralServersTest : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 3; ++i) {
      fakes_.push_back(std::make_unique<FakeServer>());
      addresses_.push_back("127.0.0.1:0");
      running_.emplace_back();
      Run(i);
    }
    client_ = std::make_unique<SummarizerClient>(absl::StrJoin(addresses_, ","), options_);
  }

  // At the address it had before, if any.
  void Run(int i) {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort(addresses_[i], grpc::InsecureServerCredentials(), &port);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.RegisterService(static_cast<v1::Summarizer::Service*>(fakes_[i].get()));
    builder.RegisterService(static_cast<v1::Admin::Service*>(fakes_[i].get()));
    running_[i] = builder.BuildAndStart();
    ASSERT_NE(running_[i], nullptr);
    addresses_[i] = absl::StrCat("127.0.0.1:", port);
  }

  // The servers, the home of this weight first.
  std::vector<FakeServer*> OrderOf(double first) {
    std::vector<FakeServer*> order;
    for (const size_t i : RendezvousOrder(KeyOf(first), addresses_)) order.push_back(fakes_[i].get());
    return order;
  }
  size_t HomeOf(double first) const { return RendezvousOrder(KeyOf(first), addresses_)[0]; }
  // A weight whose home is another server than that of 0.25.
  double Elsewhere() const {
    double first = 0.5;
    while (HomeOf(first) == HomeOf(0.25)) first += 1 / 64.0;
    return first;
  }

  // Who waits before moving on never answers in time.
  const ClientOptions options_ = {.timeout = absl::Seconds(10),
                                  .initial_backoff = absl::Hours(1),
                                  .max_backoff = absl::Hours(1),
                                  .failed_server_pause = absl::Minutes(1)};
  std::vector<std::unique_ptr<FakeServer>> fakes_;
  std::vector<std::string> addresses_;
  std::vector<std::unique_ptr<grpc::Server>> running_;
  std::unique_ptr<SummarizerClient> client_;
};

TEST_F(SeveralServersTest, ACallCarriesItsKeyAndGoesToTheServerOfIt) {
  for (int i = 0; i < 60; ++i) EXPECT_OK(client_->Summarize(Request(i / 64.0)));
  EXPECT_EQ(fakes_[0]->infos + fakes_[1]->infos + fakes_[2]->infos, 1);
  for (const auto& fake : fakes_) EXPECT_THAT(fake->keys(), SizeIs(Ge(8)));
  for (int i = 0; i < 60; ++i) EXPECT_THAT(OrderOf(i / 64.0)[0]->keys(), testing::Contains(KeyOf(i / 64.0)));
}

TEST_F(SeveralServersTest, UnavailableMovesOnAtOnceAndOnlyTheKeysOfThatServer) {
  const double elsewhere = Elsewhere();
  OrderOf(0.25)[0]->Fail(grpc::StatusCode::UNAVAILABLE);
  EXPECT_OK(client_->Summarize(Request(0.25)));
  EXPECT_OK(client_->Summarize(Request(0.25)));
  EXPECT_OK(client_->Summarize(Request(elsewhere)));
  EXPECT_THAT(OrderOf(0.25)[0]->keys(), ElementsAre(KeyOf(0.25))) << "passed over after one failure";
  EXPECT_THAT(OrderOf(0.25)[1]->keys(), testing::IsSupersetOf({KeyOf(0.25), KeyOf(0.25)}));
  EXPECT_THAT(OrderOf(elsewhere)[0]->keys(), testing::Contains(KeyOf(elsewhere)));
}

TEST_F(SeveralServersTest, AServerThatIsGoneIsPassedOverAndGetsItsKeysBackLater) {
  ClientOptions options = options_;
  options.failed_server_pause = absl::Milliseconds(1);
  const SummarizerClient client(absl::StrJoin(addresses_, ","), options);
  const size_t home = HomeOf(0.25);
  running_[home]->Shutdown();
  EXPECT_OK(client.Summarize(Request(0.25)));
  EXPECT_THAT(fakes_[home]->keys(), testing::IsEmpty());
  ASSERT_NO_FATAL_FAILURE(Run(static_cast<int>(home)));
  const absl::Time give_up = absl::Now() + absl::Seconds(10);
  while (fakes_[home]->keys().empty() && absl::Now() < give_up) EXPECT_OK(client.Summarize(Request(0.25)));
  EXPECT_THAT(fakes_[home]->keys(), testing::Not(testing::IsEmpty()));
}

TEST_F(SeveralServersTest, EachServerCountsAsATry) {
  for (const auto& fake : fakes_) fake->Fail(grpc::StatusCode::UNAVAILABLE);
  ClientOptions options = options_;
  options.max_attempts = 2;
  EXPECT_THAT(SummarizerClient(absl::StrJoin(addresses_, ","), options).Summarize(Request(0.25)),
              StatusIs(absl::StatusCode::kUnavailable, "no"));
  EXPECT_THAT(OrderOf(0.25)[0]->keys(), SizeIs(1));
  EXPECT_THAT(OrderOf(0.25)[1]->keys(), SizeIs(1));
  EXPECT_THAT(OrderOf(0.25)[2]->keys(), SizeIs(0));
}

TEST_F(SeveralServersTest, WhereAllAreUnavailableItWaitsAndBeginsAgain) {
  for (const auto& fake : fakes_) fake->Fail(grpc::StatusCode::UNAVAILABLE);
  ClientOptions options = options_;
  options.initial_backoff = absl::Milliseconds(1);
  EXPECT_THAT(SummarizerClient(absl::StrJoin(addresses_, ","), options).Summarize(Request(0.25)),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(OrderOf(0.25)[0]->keys(), SizeIs(2));
  EXPECT_THAT(OrderOf(0.25)[1]->keys(), SizeIs(1));
  EXPECT_THAT(OrderOf(0.25)[2]->keys(), SizeIs(1));
}

TEST_F(SeveralServersTest, AFullServerIsAskedAgainAndNotAnother) {
  OrderOf(0.25)[0]->FailAsFull();
  ClientOptions options = options_;
  options.initial_backoff = absl::Milliseconds(1);
  options.max_attempts = 3;
  EXPECT_THAT(SummarizerClient(absl::StrJoin(addresses_, ","), options).Summarize(Request(0.25)),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(OrderOf(0.25)[0]->keys(), SizeIs(3));
}

TEST_F(SeveralServersTest, AStreamMovesOnOnlyWhileNoPieceHasArrived) {
  std::string text;
  const auto on_text = [&text](absl::string_view piece) { text += std::string(piece); };
  OrderOf(0.25)[0]->Fail(grpc::StatusCode::UNAVAILABLE);
  EXPECT_OK(client_->StreamSummarize(Request(0.25), on_text));
  EXPECT_THAT(OrderOf(0.25)[1]->keys(), SizeIs(1));
  OrderOf(0.25)[1]->fail_after_text = true;
  EXPECT_THAT(client_->StreamSummarize(Request(0.25), on_text), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(text, "half");
  EXPECT_THAT(OrderOf(0.25)[2]->keys(), SizeIs(0));
}

TEST_F(SeveralServersTest, WhatCannotBeResolvedGoesOutWithoutAKeyInTurns) {
  for (const auto& fake : fakes_) fake->Fail(grpc::StatusCode::INVALID_ARGUMENT);
  for (int i = 0; i < 9; ++i) {
    EXPECT_THAT(client_->Summarize(Request(7.0)), StatusIs(absl::StatusCode::kInvalidArgument, "no"));
  }
  for (const auto& fake : fakes_) EXPECT_THAT(fake->keys(), ElementsAre("", "", ""));
}

TEST_F(SeveralServersTest, EachWeightingIsPrewarmedByTheServerOfItsKey) {
  std::vector<v1::Steering> weightings;
  std::vector<int> expected(3, 0);
  for (int i = 0; i < 30; ++i) {
    weightings.push_back(SteeringOfWeight(i / 32.0));
    ++expected[HomeOf(i / 32.0)];
  }
  ASSERT_OK_AND_ASSIGN(const v1::PrewarmResponse reply, client_->Prewarm(weightings));
  ASSERT_EQ(reply.results_size(), 30);
  for (int i = 0; i < 30; ++i) EXPECT_EQ(reply.results(i).reason(), absl::StrCat(i / 32.0)) << "in order";
  for (int i = 0; i < 3; ++i) EXPECT_EQ(fakes_[i]->prewarmed, expected[i]);
}

TEST_F(SeveralServersTest, InfoComesFromTheFirstThatAnswers) {
  running_[0]->Shutdown();
  ASSERT_OK_AND_ASSIGN(const auto info, client_->GetModelInfo());
  EXPECT_EQ(info.rewards_size(), 2);
  EXPECT_EQ(fakes_[1]->infos, 1);
}

}  // namespace
}  // namespace trimtab
