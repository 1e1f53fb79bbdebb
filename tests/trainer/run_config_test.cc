#include "trainer/run_config.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

constexpr char kLeast[] = R"("out": "run", "start": "model", "corpus": "corpus.jsonl")";

absl::StatusOr<RunConfig> With(const std::string& more) {
  return ParseRunConfig(std::string("{") + kLeast + (more.empty() ? "" : ", ") + more + "}");
}

TEST(RunConfigTest, ThePaperSettingsAreTheDefaults) {
  ASSERT_OK_AND_ASSIGN(const RunConfig config, With(""));
  EXPECT_EQ(config.batch, 32);
  EXPECT_EQ(config.steps, 30000);
  EXPECT_EQ(config.learning_rate, 3e-5);
  EXPECT_EQ(config.value_learning_rate, 1e-4);
  EXPECT_EQ(config.sampling.dirichlet, std::vector<double>{1.0});
  EXPECT_EQ(config.policy.mixing.kind, MixingKind::kFixed);
  EXPECT_EQ(config.policy.mixing.alpha_min, 0.01);
  EXPECT_FALSE(config.leave_one_out);
  EXPECT_TRUE(config.publish_bf16);
}

TEST(RunConfigTest, EveryKeyIsRead) {
  ASSERT_OK_AND_ASSIGN(
      const RunConfig config,
      With(R"("policy": {"variant": "custom", "patterns": ["*.q.weight"], "mixing": "softmdp", "alpha_min": 0.05},
              "rewards": [{"name": "short", "score": "brevity", "range": [-20, 0]}, {"name": "rouge_lsum"}],
              "sampling": {"dirichlet": [0.3], "alpha": 0.5}, "baseline": "rloo", "samples_per_article": 8,
              "publish": {"servers": ["a:1", "b:2"], "every": 7, "form": "float32", "tls_ca": "ca.pem", "tls_server_name": "a"},
              "control": "127.0.0.1:0")"));
  EXPECT_EQ(config.policy.patterns, std::vector<std::string>{"*.q.weight"});
  EXPECT_EQ(config.policy.mixing.kind, MixingKind::kSoftmdp);
  ASSERT_EQ(config.rewards.size(), 2u);
  EXPECT_EQ(config.rewards[0].score, "brevity");
  EXPECT_EQ(config.rewards[0].range->first, -20.0);
  EXPECT_FALSE(config.rewards[1].range.has_value());
  EXPECT_EQ(config.sampling.fixed_alpha, 0.5);
  EXPECT_TRUE(config.leave_one_out);
  EXPECT_EQ(config.tls.ca, "ca.pem");
  EXPECT_EQ(config.tls.server_name, "a");
  EXPECT_EQ(config.samples_per_article, 8);
  EXPECT_EQ(config.servers.size(), 2u);
  EXPECT_EQ(config.publish_every, 7);
  EXPECT_FALSE(config.publish_bf16);
  EXPECT_EQ(config.control_listen, "127.0.0.1:0");
}

TEST(RunConfigTest, WhatCannotBeUsedIsRefusedNamingTheKey) {
  const std::vector<std::pair<std::string, std::string>> refused = {
      {R"("batches": 4)", "batches"},
      {R"("batch": 0)", "batch"},
      {R"("batch": 6, "baseline": "rloo")", "samples_per_article"},
      {R"("baseline": "ppo")", "baseline"},
      {R"("policy": {"mixing": "cubic"})", "mixing"},
      {R"("policy": {"varient": "attn"})", "varient"},
      {R"("rewards": [{"name": "a", "range": [1, 1]}])", "range"},
      {R"("rewards": {"a": 1})", "rewards"},
      {R"("sampling": {"alpha": 2})", "alpha"},
      {R"("publish": {"form": "int8"})", "form"}};
  for (const auto& [text, key] : refused) {
    EXPECT_THAT(With(text), StatusIs(absl::StatusCode::kInvalidArgument, testing::HasSubstr(key))) << text;
  }
  EXPECT_THAT(ParseRunConfig(R"({"out": "run", "start": "model"})"),
              StatusIs(absl::StatusCode::kInvalidArgument, testing::HasSubstr("corpus")));
  EXPECT_THAT(ParseRunConfig("[]"), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace trimtab
