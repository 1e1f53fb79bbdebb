#include "server/rim/server.h"

#include <numeric>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/checkpoint.h"
#include "nlohmann/json.hpp"
#include "server/rim/options.h"
#include "tests/server/rim/server_fixture.h"
#include "tests/testing/devices.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

using testing::HasSubstr;
using ServerTest = ServerFixture;

constexpr char kArticle[] = "the server reads text and writes a short summary of it";

TEST_F(ServerTest, AnswersWithTheSummaryAndAllThatWentIntoIt) {
  ASSERT_NO_FATAL_FAILURE(Start(Options("")));
  v1::SummarizeRequest request = RequestFor(kArticle, 0.25);
  request.mutable_options()->set_log_probs(true);
  request.set_execution_path(v1::EXECUTION_PATH_DENSE);
  grpc::ClientContext context;
  v1::SummarizeResponse reply;
  const grpc::Status status = stub_->Summarize(&context, request, &reply);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_THAT(reply.weighting().weights(), testing::ElementsAre(0.25, 0.75));
  EXPECT_EQ(reply.weighting().alpha(), 0.1);
  EXPECT_THAT(reply.weighting().coefficients(), testing::ElementsAre(0.25f, 0.75f, 0.0f));
  ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, OpenCheckpoint(model_.File("checkpoint")));
  EXPECT_EQ(reply.parameter_version().digest(), checkpoint.digest);
  EXPECT_EQ(reply.execution_path(), v1::EXECUTION_PATH_DENSE);
  EXPECT_EQ(reply.cache(), v1::CACHE_OUTCOME_MISS);
  EXPECT_FALSE(reply.truncated());
  EXPECT_GT(reply.input_tokens(), 1);
  EXPECT_GE(reply.output_tokens(), 1);
  EXPECT_LE(reply.output_tokens(), 12);
  EXPECT_EQ(reply.token_ids_size(), reply.output_tokens());
  EXPECT_EQ(reply.log_probs_size(), reply.output_tokens());
  for (const float log_prob : reply.log_probs()) EXPECT_LE(log_prob, 0.0f);
  EXPECT_EQ(reply.finish_reason() == v1::FINISH_REASON_EOS,
            reply.token_ids(reply.token_ids_size() - 1) == checkpoint.config.eos_id);
  EXPECT_GT(reply.timings().encode().nanos(), 0);
}

TEST_F(ServerTest, TheSecondRequestWithTheSameWeightingIsAHit) {
  ASSERT_NO_FATAL_FAILURE(Start(Options("")));
  v1::SummarizeRequest request = RequestFor(kArticle, 1.0);
  request.set_execution_path(v1::EXECUTION_PATH_DENSE);
  v1::SummarizeResponse first, second;
  grpc::ClientContext one, two;
  ASSERT_TRUE(stub_->Summarize(&one, request, &first).ok());
  ASSERT_TRUE(stub_->Summarize(&two, request, &second).ok());
  EXPECT_EQ(first.cache(), v1::CACHE_OUTCOME_MISS);
  EXPECT_EQ(second.cache(), v1::CACHE_OUTCOME_HIT);
  EXPECT_EQ(second.summary(), first.summary());
  EXPECT_EQ(Metric("trimtab_mix_cache_hits_total"), 1);
  EXPECT_EQ(Metric("trimtab_mix_cache_misses_total"), 1);
}

TEST_F(ServerTest, AStreamSaysWhatTheWholeReplySays) {
  ASSERT_NO_FATAL_FAILURE(Start(Options("")));
  std::vector<v1::SummarizeRequest> requests(4, RequestFor(kArticle, 0.5));
  for (auto& request : requests) request.mutable_options()->set_log_probs(true);
  for (auto& request : requests) request.set_execution_path(v1::EXECUTION_PATH_DENSE);
  requests[1].mutable_options()->set_temperature(1.5f);
  requests[1].mutable_options()->set_seed(7);
  requests[2].mutable_options()->set_num_beams(4);
  requests[3].mutable_options()->set_max_new_tokens(100);
  requests[3].mutable_options()->set_min_new_tokens(100);
  for (const v1::SummarizeRequest& request : requests) {
    grpc::ClientContext context;
    v1::SummarizeResponse whole;
    ASSERT_TRUE(stub_->Summarize(&context, request, &whole).ok());
    const StreamedReply streamed = StreamSummarize(*stub_, request);
    ASSERT_TRUE(streamed.status.ok()) << streamed.status.error_message();
    EXPECT_EQ(streamed.text, whole.summary());
    EXPECT_EQ(streamed.result.summary(), whole.summary());
    EXPECT_THAT(streamed.result.token_ids(), testing::ElementsAreArray(whole.token_ids()));
    EXPECT_THAT(streamed.result.log_probs(), testing::ElementsAreArray(whole.log_probs()));
    EXPECT_LE(streamed.pieces, request.options().num_beams() > 1 ? 1 : whole.output_tokens() + 1);
  }
}

TEST_F(ServerTest, CutsALongArticleAndSaysSo) {
  ServerOptions options = Options("");
  options.max_input_tokens = 10;
  ASSERT_NO_FATAL_FAILURE(Start(options));
  grpc::ClientContext context;
  v1::SummarizeResponse reply;
  ASSERT_TRUE(stub_->Summarize(&context, RequestFor(kArticle, 0.5), &reply).ok());
  EXPECT_TRUE(reply.truncated());
  EXPECT_EQ(reply.input_tokens(), 10);
}

TEST_F(ServerTest, DescribesWhatItServes) {
  ServerOptions options = Options("");
  options.alpha_floor = 0.25;
  options.reward_ranges["r1"] = {.low = 0.0, .high = 0.75};
  options.grid_bits_w = 10;
  TinyOptions tiny;
  tiny.default_alpha = 0.5;
  ASSERT_NO_FATAL_FAILURE(Start(options, tiny));
  grpc::ClientContext context;
  v1::GetModelInfoResponse info;
  ASSERT_TRUE(stub_->GetModelInfo(&context, {}, &info).ok());
  ASSERT_EQ(info.rewards_size(), 2);
  EXPECT_EQ(info.rewards(0).name(), TinyRewardName(0));
  EXPECT_EQ(info.rewards(0).weight_high(), 1.0);
  EXPECT_EQ(info.rewards(1).weight_high(), 0.75);
  EXPECT_EQ(info.variant(), "attn");
  EXPECT_EQ(info.mixing(), "softmdp");
  EXPECT_EQ(info.alpha_min(), 0.1);
  EXPECT_EQ(info.alpha_floor(), 0.25);
  EXPECT_EQ(info.default_alpha(), 0.5);
  EXPECT_EQ(info.max_new_tokens(), 128);
  EXPECT_EQ(info.default_options().max_new_tokens(), 16);
  EXPECT_EQ(info.device(), TestDevice());
  EXPECT_EQ(info.grid_bits_w(), 10);
  EXPECT_EQ(info.grid_bits_beta(), 20);
  EXPECT_EQ(info.server_version(), VersionText());
  EXPECT_EQ(info.parameter_version().digest().size(), 64u);
  EXPECT_GT(info.mixed_bytes(), 0);
  EXPECT_GT(info.parameter_bytes(), info.mixed_bytes());
}

TEST_F(ServerTest, ServesAPlainT5WithoutAnySteering) {
  ServerOptions options = Options(model_.File("plain"));
  ASSERT_OK(MakeTinyT5(options.model));
  ASSERT_NO_FATAL_FAILURE(Start(options));
  v1::SummarizeRequest request;
  request.set_article(kArticle);
  grpc::ClientContext context;
  v1::SummarizeResponse reply;
  const grpc::Status status = stub_->Summarize(&context, request, &reply);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(reply.weighting().weights_size(), 0);
  EXPECT_THAT(reply.weighting().coefficients(), testing::ElementsAre(1.0f));
}

TEST_F(ServerTest, AnswersWithThePinnedParametersOrNotAtAll) {
  ASSERT_NO_FATAL_FAILURE(Start(Options("")));
  grpc::ClientContext info_context, held_context, gone_context;
  v1::GetModelInfoResponse info;
  ASSERT_TRUE(stub_->GetModelInfo(&info_context, {}, &info).ok());
  v1::SummarizeRequest request = RequestFor(kArticle, 0.5);
  request.set_parameter_digest(info.parameter_version().digest());
  v1::SummarizeResponse reply;
  EXPECT_TRUE(stub_->Summarize(&held_context, request, &reply).ok());
  request.set_parameter_digest(std::string(64, '0'));
  EXPECT_EQ(stub_->Summarize(&gone_context, request, &reply).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(ServerTest, HealthAndReflectionAnswerBesideTheService) {
  ASSERT_NO_FATAL_FAILURE(Start(Options("")));
  const std::string service = "trimtab.v1.Summarizer";
  const std::string named = std::string("\x0a") + static_cast<char>(service.size()) + service;
  const std::string serving = "\x08\x01";
  EXPECT_EQ(RawCall(NewChannel(), "/grpc.health.v1.Health/Check", named).second, serving);
  EXPECT_EQ(RawCall(NewChannel(), "/grpc.health.v1.Health/Check", "").second, serving);
  EXPECT_EQ(RawCall(NewChannel(), "/grpc.health.v1.Health/Check", "\x0a\x01x").first.error_code(),
            grpc::StatusCode::NOT_FOUND);
  const std::string list_services = "\x3a\x01*";
  const auto [status, services] =
      RawCall(NewChannel(), "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", list_services);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_THAT(services, HasSubstr(service));
}

TEST_F(ServerTest, RefusesCompressedRequests) {
  ASSERT_NO_FATAL_FAILURE(Start(Options("")));
  grpc::ClientContext context;
  context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  v1::SummarizeResponse reply;
  EXPECT_EQ(stub_->Summarize(&context, RequestFor(std::string(4096, 'a'), 0.5), &reply).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(ServerTest, TheOperatorsPortAnswersMetricsProbesAndVersion) {
  ASSERT_NO_FATAL_FAILURE(Start(Options("")));
  grpc::ClientContext context;
  v1::SummarizeResponse reply;
  ASSERT_TRUE(stub_->Summarize(&context, RequestFor(kArticle, 0.5), &reply).ok());
  const std::string address = server_->metrics_address();
  const HttpReply metrics = HttpGet(address, "/metrics");
  EXPECT_EQ(metrics.status, 200);
  EXPECT_THAT(metrics.type, HasSubstr("version=0.0.4"));
  EXPECT_EQ(Metric("trimtab_requests_total{code=\"OK\",method=\"Summarize\"}"), 1);
  EXPECT_EQ(Metric("trimtab_generated_tokens_total"), reply.output_tokens());
  EXPECT_EQ(Metric("trimtab_prompt_tokens_total"), reply.input_tokens());
  EXPECT_EQ(Metric("trimtab_params_info{digest=\"" + reply.parameter_version().digest() + "\"}"), 1);
  EXPECT_THAT(metrics.body, HasSubstr("trimtab_build_info{"));
  EXPECT_THAT(metrics.body, HasSubstr("\nprocess_resident_memory_bytes "));
  EXPECT_THAT(metrics.body, testing::Not(HasSubstr(kArticle)));
  EXPECT_EQ(HttpGet(address, "/livez").status, 200);
  EXPECT_EQ(HttpGet(address, "/readyz").status, 200);
  const auto version = nlohmann::json::parse(HttpGet(address, "/version").body);
  EXPECT_EQ(version["version"].get<std::string>() + " (" + version["commit"].get<std::string>() + ")", VersionText());
  EXPECT_EQ(HttpGet(address, "/metrics/more").status, 404);
  EXPECT_EQ(HttpGet(address, "/../etc/passwd").status / 100, 4);
}

TEST_F(ServerTest, DoesNotStartWithACacheSmallerThanOneMixture) {
  ServerOptions options = Options(model_.File("checkpoint"));
  ASSERT_OK(MakeTinyClp(options.model));
  options.cache_bytes = 64;
  EXPECT_THAT(Server::Start(options), StatusIs(absl::StatusCode::kFailedPrecondition,
                                               testing::AllOf(HasSubstr("64"), HasSubstr("one mixture"))));
}

TEST_F(ServerTest, DoesNotStartOnAPortInUseOrWithBoundsForUnknownRewards) {
  ASSERT_NO_FATAL_FAILURE(Start(Options("")));
  ServerOptions options = Options(model_.File("checkpoint"));
  options.listen = server_->grpc_address();
  EXPECT_THAT(Server::Start(options), StatusIs(absl::StatusCode::kUnavailable, HasSubstr(options.listen)));
  options.listen = "127.0.0.1:0";
  options.metrics_listen = server_->metrics_address();
  EXPECT_THAT(Server::Start(options), StatusIs(absl::StatusCode::kUnavailable, HasSubstr(options.metrics_listen)));
  options.metrics_listen = "127.0.0.1:0";
  options.reward_ranges["nobody"] = {};
  EXPECT_THAT(Server::Start(options), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("nobody")));
}

}  // namespace
}  // namespace trimtab
