#include "server/rim/admin_service.h"

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/mixed_weights.h"
#include "server/disk.h"
#include "server/rim/load_model.h"
#include "server/rim/tokens.h"
#include "tests/server/rim/server_fixture.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

using testing::HasSubstr;

constexpr char kArticle[] = "the server reads text and writes a short summary of it";

class AdminServiceTest : public ServerFixture {
 protected:
  void StartWith(const ServerOptions& options) {
    ASSERT_NO_FATAL_FAILURE(Start(options));
    admin_ = v1::Admin::NewStub(NewChannel());
  }
  // Memory that holds two mixtures of a tiny checkpoint, and no third.
  static int64_t RoomForTwo() {
    const TempDir folder;
    EXPECT_OK(MakeTinyClp(folder.File("checkpoint")));
    const Disk disk;
    const auto model = LoadModel(Options(folder.File("checkpoint")), &disk);
    EXPECT_OK(model);
    return MixedWeights::Bytes(*model->parameters) * 5 / 2;
  }
  static v1::PrewarmRequest Weights(const std::vector<double>& first) {
    v1::PrewarmRequest request;
    for (const double w : first) {
      v1::Steering* steering = request.add_weightings();
      steering->add_weights(w);
      steering->add_weights(1.0 - w);
    }
    return request;
  }
  grpc::Status Prewarm(const v1::PrewarmRequest& request, v1::PrewarmResponse* reply) {
    grpc::ClientContext context;
    return admin_->Prewarm(&context, request, reply);
  }
  v1::CacheOutcome CacheOf(double first) {
    grpc::ClientContext context;
    v1::SummarizeResponse reply;
    EXPECT_TRUE(stub_->Summarize(&context, RequestFor(kArticle, first), &reply).ok());
    return reply.cache();
  }

  std::unique_ptr<v1::Admin::Stub> admin_;
};

TEST_F(AdminServiceTest, TheFirstRequestOfAPrewarmedWeightingIsAHit) {
  ASSERT_NO_FATAL_FAILURE(StartWith(Options("")));
  v1::PrewarmResponse reply;
  const grpc::Status status = Prewarm(Weights({0.25, 0.75}), &reply);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(reply.results_size(), 2);
  for (const v1::PrewarmResult& result : reply.results()) {
    EXPECT_TRUE(result.resident());
    EXPECT_EQ(result.reason(), "");
  }
  EXPECT_THAT(reply.results(0).weighting().coefficients(), testing::ElementsAre(0.25f, 0.75f, 0.0f));
  EXPECT_EQ(CacheOf(0.25), v1::CACHE_OUTCOME_HIT);
  EXPECT_EQ(CacheOf(0.75), v1::CACHE_OUTCOME_HIT);
  EXPECT_EQ(CacheOf(0.5), v1::CACHE_OUTCOME_MISS);
  EXPECT_EQ(Metric("trimtab_requests_total{code=\"OK\",method=\"Prewarm\"}"), 1);
}

TEST_F(AdminServiceTest, SaysWhichDidNotFitAndWhy) {
  ServerOptions options = Options("");
  options.cache_bytes = RoomForTwo();
  ASSERT_NO_FATAL_FAILURE(StartWith(options));
  v1::PrewarmResponse reply;
  ASSERT_TRUE(Prewarm(Weights({0.0, 0.25, 0.5, 0.25}), &reply).ok());
  std::vector<bool> resident;
  for (const v1::PrewarmResult& result : reply.results()) resident.push_back(result.resident());
  EXPECT_THAT(resident, testing::ElementsAre(true, true, false, true));
  EXPECT_THAT(reply.results(2).reason(), HasSubstr("budget"));
  EXPECT_EQ(CacheOf(0.0), v1::CACHE_OUTCOME_HIT);
  EXPECT_EQ(CacheOf(0.25), v1::CACHE_OUTCOME_HIT);
}

TEST_F(AdminServiceTest, RefusesWhatIsNotValidByNameAndMixesNothing) {
  ServerOptions options = Options("");
  options.alpha_floor = 0.25;
  TinyOptions tiny;
  tiny.default_alpha = 0.5;
  ASSERT_NO_FATAL_FAILURE(Start(options, tiny));
  admin_ = v1::Admin::NewStub(NewChannel());
  v1::PrewarmRequest off_simplex = Weights({0.25, 0.5});
  off_simplex.mutable_weightings(1)->set_weights(1, 0.75);
  v1::PrewarmRequest below_floor = Weights({0.25});
  below_floor.mutable_weightings(0)->set_alpha(0.2);
  v1::PrewarmRequest long_name = Weights({0.25});
  long_name.add_weightings()->set_preset(std::string(65, 'x'));
  const struct {
    v1::PrewarmRequest request;
    const char* field;
  } kCases[] = {{{}, "weightings"},
                {Weights(std::vector<double>(257, 0.5)), "weightings"},
                {off_simplex, "weightings[1].weights"},
                {below_floor, "weightings[0].alpha"},
                {long_name, "weightings[1].preset"}};
  for (const auto& c : kCases) {
    v1::PrewarmResponse reply;
    const grpc::Status status = Prewarm(c.request, &reply);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(FieldAtFault(status), c.field);
  }
  EXPECT_EQ(RawCall(NewChannel(), "/trimtab.v1.Admin/Prewarm", "\xff").first.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(server_->cache_stats().entries, 0);
}

TEST_F(AdminServiceTest, IsNotServedBeyondLoopback) {
  ServerOptions options = Options("");
  options.listen = "0.0.0.0:0";
  ASSERT_NO_FATAL_FAILURE(StartWith(options));
  v1::PrewarmResponse reply;
  EXPECT_EQ(Prewarm(Weights({0.5}), &reply).error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(CacheOf(0.5), v1::CACHE_OUTCOME_MISS);
}

TEST_F(AdminServiceTest, WhatTheOperatorListsIsResidentWhenTheServerIsReady) {
  ServerOptions options = Options("");
  options.prewarm = {"w=0.25,0.75", "alpha=0.5"};
  ASSERT_NO_FATAL_FAILURE(Start(options));
  EXPECT_EQ(server_->cache_stats().entries, 2);
  EXPECT_EQ(CacheOf(0.25), v1::CACHE_OUTCOME_HIT);
}

TEST_F(AdminServiceTest, DoesNotStartWithAListItCannotMixButWithOneThatDoesNotFit) {
  ServerOptions options = Options(model_.File("checkpoint"));
  ASSERT_OK(MakeTinyClp(options.model));
  for (const char* text : {"nothing", "w=1", "alpha=0.01"}) {
    options.prewarm = {text};
    EXPECT_THAT(Server::Start(options), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(text)));
  }
  options.prewarm = {"w=1,0", "w=0.5,0.5", "w=0,1"};
  options.cache_bytes = RoomForTwo();
  ASSERT_OK_AND_ASSIGN(server_, Server::Start(options));
  EXPECT_EQ(server_->cache_stats().entries, 2);
}

TEST_F(AdminServiceTest, WithTokensItAsksForTheRoleAdminAndExploringForInfer) {
  const TempDir folder;
  const std::string admin = "admin-token-0123456789", infer = "infer-token-0123456789";
  std::ofstream(folder.File("tokens")) << "admin " << admin << "\ninfer " << infer << "\n";
  ServerOptions options = Options("");
  options.tokens = folder.File("tokens");
  ASSERT_NO_FATAL_FAILURE(StartWith(options));
  const auto prewarm = [&](const std::string& token) {
    grpc::ClientContext context;
    if (!token.empty()) context.AddMetadata("authorization", "Bearer " + token);
    v1::PrewarmResponse reply;
    return admin_->Prewarm(&context, Weights({0.5}), &reply).error_code();
  };
  EXPECT_EQ(prewarm(""), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(prewarm(infer), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(prewarm(admin), grpc::StatusCode::OK);
  const auto explore = [&](const std::string& token) {
    grpc::ClientContext context;
    if (!token.empty()) context.AddMetadata("authorization", "Bearer " + token);
    v1::ExploreRequest request;
    request.set_article("an article");
    request.mutable_grid()->set_divisions(1);
    v1::ExploreResponse message;
    const auto reader = stub_->Explore(&context, request);
    while (reader->Read(&message)) continue;
    return reader->Finish().error_code();
  };
  EXPECT_EQ(explore(""), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(explore(infer), grpc::StatusCode::OK);
}

TEST(ServesOperatorsTest, OnLoopbackAddressesOnly) {
  for (const char* address : {"127.0.0.1:1", "127.1.2.3:0", "localhost:50051", "[::1]:50051"}) {
    EXPECT_TRUE(ServesOperators(nullptr, address)) << address;
  }
  for (const char* address : {"0.0.0.0:1", "[::]:1", "10.0.0.1:1", "127.evil.example:1", "localhost.example:1", ":1",
                              "1.127.0.0:1", "trimtab:50051"}) {
    EXPECT_FALSE(ServesOperators(nullptr, address)) << address;
  }
}

}  // namespace
}  // namespace trimtab
