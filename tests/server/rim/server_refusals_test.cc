// What the server refuses, over the wire: code, field at fault, and that it serves on.
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/server/rim/server_fixture.h"

namespace trimtab {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

class ServerRefusalsTest : public ServerFixture {
 protected:
  void SetUp() override {
    ServerOptions options = Options("");
    options.reward_ranges["r1"] = {.low = 0.0, .high = 0.75};
    ASSERT_NO_FATAL_FAILURE(Start(options));
  }

  grpc::Status Call(const v1::SummarizeRequest& request) {
    grpc::ClientContext context;
    v1::SummarizeResponse reply;
    return stub_->Summarize(&context, request, &reply);
  }

  // Both methods refuse `request` naming `field`.
  void ExpectRefused(const v1::SummarizeRequest& request, const std::string& field) {
    for (const grpc::Status& status : {Call(request), StreamSummarize(*stub_, request).status}) {
      EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << field << ": " << status.error_message();
      EXPECT_EQ(FieldAtFault(status), field) << status.error_message();
      EXPECT_NE(status.error_message().find(field), std::string::npos) << status.error_message();
    }
  }
};

v1::SummarizeRequest WithWeights(const std::vector<double>& weights) {
  v1::SummarizeRequest request;
  request.set_article("some text");
  request.mutable_steering()->mutable_weights()->Assign(weights.begin(), weights.end());
  return request;
}

TEST_F(ServerRefusalsTest, BadWeights) {
  ExpectRefused(WithWeights({kNan, 1.0}), "steering.weights[0]");
  ExpectRefused(WithWeights({1.0, kNan}), "steering.weights[1]");
  ExpectRefused(WithWeights({kInfinity, 0.0}), "steering.weights[0]");
  ExpectRefused(WithWeights({-0.5, 1.5}), "steering.weights[0]");
  ExpectRefused(WithWeights({-kInfinity, 1.0}), "steering.weights[0]");
  ExpectRefused(WithWeights({1e308, 1e308}), "steering.weights[0]");
  ExpectRefused(WithWeights({-std::numeric_limits<double>::denorm_min(), 1.0}), "steering.weights[0]");
  ExpectRefused(WithWeights(std::vector<double>(200'000, 5e-6)), "steering.weights");
  ExpectRefused(WithWeights({1.0}), "steering.weights");
  ExpectRefused(WithWeights({0.5, 0.25, 0.25}), "steering.weights");
  ExpectRefused(WithWeights({0.5, 0.502}), "steering.weights");
}

TEST_F(ServerRefusalsTest, NormalisesASmallSlipOfTheSum) {
  v1::SummarizeResponse reply;
  grpc::ClientContext context;
  ASSERT_TRUE(stub_->Summarize(&context, WithWeights({0.5, 0.5005}), &reply).ok());
  EXPECT_NEAR(reply.weighting().weights(0) + reply.weighting().weights(1), 1.0, 1e-12);
}

TEST_F(ServerRefusalsTest, WeightsBeyondTheOperatorsBounds) {
  ExpectRefused(WithWeights({0.0, 1.0}), "steering.weights[1]");
}

TEST_F(ServerRefusalsTest, BadAlphaNamesAndPresets) {
  for (const double alpha : {kNan, kInfinity, -0.5, 0.05, 1.5}) {
    v1::SummarizeRequest request = WithWeights({0.5, 0.5});
    request.mutable_steering()->set_alpha(alpha);
    ExpectRefused(request, "steering.alpha");
  }
  v1::SummarizeRequest unknown = WithWeights({});
  (*unknown.mutable_steering()->mutable_named_weights())["nobody"] = 1.0;
  ExpectRefused(unknown, "steering.named_weights[nobody]");
  v1::SummarizeRequest preset = WithWeights({});
  preset.mutable_steering()->set_preset("nothing");
  ExpectRefused(preset, "steering.preset");
  v1::SummarizeRequest both = WithWeights({0.5, 0.5});
  (*both.mutable_steering()->mutable_named_weights())["r0"] = 1.0;
  ExpectRefused(both, "steering.named_weights");
}

TEST_F(ServerRefusalsTest, BadArticles) {
  for (const std::string& article :
       {std::string(), std::string(" \n"), std::string("a\0b", 3), std::string((1 << 20) + 1, 'x')}) {
    v1::SummarizeRequest request;
    request.set_article(article);
    ExpectRefused(request, "article");
  }
}

TEST_F(ServerRefusalsTest, StrangeTextIsTextAndStrangeNumbersAreNumbers) {
  const std::string hebrew = "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d \xe2\x80\xae abc", joiner = "\xe2\x80\x8d";
  for (const std::string& article :
       {std::string("</s>"), std::string("<extra_id_0> <pad> </s></s>"), hebrew, joiner + joiner,
        std::string("\xcc\x81"), std::string("\xef\xbb\xbf"), std::string("\xef\xbf\xbf"), std::string(1 << 20, 'x')}) {
    v1::SummarizeRequest request = WithWeights({0.5, 0.5});
    request.set_article(article);
    EXPECT_TRUE(Call(request).ok()) << article.substr(0, 20);
  }
  EXPECT_TRUE(Call(WithWeights({1.0, std::numeric_limits<double>::denorm_min()})).ok());
  EXPECT_TRUE(Call(WithWeights({})).ok()) << "uniform";
}

TEST_F(ServerRefusalsTest, AbsurdOptions) {
  using Options = v1::GenerationOptions;
  const struct {
    std::string field;
    std::function<void(Options&)> set;
  } kCases[] = {
      {"max_new_tokens", [](Options& o) { o.set_max_new_tokens(0); }},
      {"max_new_tokens", [](Options& o) { o.set_max_new_tokens(129); }},
      {"max_new_tokens", [](Options& o) { o.set_max_new_tokens(std::numeric_limits<int32_t>::max()); }},
      {"min_new_tokens", [](Options& o) { o.set_min_new_tokens(-1); }},
      {"min_new_tokens", [](Options& o) { o.set_min_new_tokens(128); }},
      {"num_beams", [](Options& o) { o.set_num_beams(9); }},
      {"num_beams", [](Options& o) { o.set_num_beams(std::numeric_limits<int32_t>::min()); }},
      {"length_penalty", [](Options& o) { o.set_length_penalty(std::nanf("")); }},
      {"no_repeat_ngram_size", [](Options& o) { o.set_no_repeat_ngram_size(17); }},
      {"temperature", [](Options& o) { o.set_temperature(-1.0f); }},
      {"temperature", [](Options& o) { o.set_temperature(std::nanf("")); }},
      {"top_k", [](Options& o) { o.set_top_k(1 << 30); }},
      {"top_p", [](Options& o) { o.set_top_p(0.0f); }},
      {"top_p", [](Options& o) { o.set_top_p(1.5f); }},
  };
  for (const auto& c : kCases) {
    v1::SummarizeRequest request = WithWeights({0.5, 0.5});
    c.set(*request.mutable_options());
    ExpectRefused(request, "options." + c.field);
  }
}

TEST_F(ServerRefusalsTest, AnUnknownExecutionPath) {
  v1::SummarizeRequest request = WithWeights({0.5, 0.5});
  request.set_execution_path(static_cast<v1::ExecutionPath>(99));
  ExpectRefused(request, "execution_path");
}

TEST_F(ServerRefusalsTest, BytesThatAreNoUtf8OrNoMessageAtAllAndThenServesOn) {
  const auto channel = NewChannel();
  EXPECT_EQ(RawCall(channel, "/trimtab.v1.Summarizer/Summarize", "\x0a\x02\xff\xfe").first.error_code(),
            grpc::StatusCode::INTERNAL);
  EXPECT_EQ(RawCall(channel, "/trimtab.v1.Summarizer/Summarize", "\xff\xff\xff").first.error_code(),
            grpc::StatusCode::INTERNAL);
  EXPECT_EQ(RawCall(channel, "/trimtab.v1.Summarizer/Summarize", std::string(3 << 20, 'x')).first.error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(RawCall(channel, "/trimtab.v1.Summarizer/Nothing", "").first.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_TRUE(Call(WithWeights({0.5, 0.5})).ok());
}

}  // namespace
}  // namespace trimtab
