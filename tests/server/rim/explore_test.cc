// Many weightings of one article in one call.
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/rewards/pareto.h"
#include "model/rewards/reward_model.h"
#include "model/rewards/rouge.h"
#include "tests/server/rim/server_fixture.h"
#include "tests/testing/devices.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using ExploreTest = ServerFixture;

constexpr char kArticle[] = "the server reads text and writes a short summary of it";

// What must not depend on what else the server does.
std::string Essence(v1::SummarizeResponse reply) {
  reply.clear_timings();
  reply.clear_cache();
  return reply.SerializeAsString();
}

// What a call of its own gets for the weighting of a point.
std::string Alone(Stub& stub, const v1::ExploreRequest& explored, const v1::ExplorePoint& point) {
  v1::SummarizeRequest request;
  request.set_article(explored.article());
  request.mutable_steering()->set_alpha(point.result().weighting().alpha());
  *request.mutable_steering()->mutable_weights() = point.result().weighting().weights();
  *request.mutable_options() = explored.options();
  request.set_execution_path(point.result().execution_path());
  grpc::ClientContext context;
  v1::SummarizeResponse reply;
  const grpc::Status status = stub.Summarize(&context, request, &reply);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return Essence(reply);
}

TEST_F(ExploreTest, EveryPointIsWhatACallOfItsOwnGets) {
  ASSERT_NO_FATAL_FAILURE(Start(Options("")));
  const int divisions = Fewer(6, 2);
  v1::ExploreRequest request = GridRequest(kArticle, divisions);
  request.mutable_options()->set_log_probs(true);
  request.mutable_options()->set_max_new_tokens(Fewer(12, 5));
  std::vector<v1::ExploreRequest> requests(4, request);
  requests[1].mutable_options()->set_num_beams(3);
  requests[2].mutable_options()->set_temperature(1.0f);
  requests[2].mutable_options()->set_seed(7);
  requests[3].mutable_grid()->set_alpha_sweep(3);
  for (v1::ExploreRequest& each : requests) {
    for (const auto path : {v1::EXECUTION_PATH_DENSE, v1::EXECUTION_PATH_BASIS, v1::EXECUTION_PATH_UNSPECIFIED}) {
      each.set_execution_path(path);
      const ExploredReply reply = Explore(*stub_, each);
      ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
      ASSERT_GT(reply.points.size(), static_cast<size_t>(divisions));
      for (const auto& [index, point] : reply.points) {
        EXPECT_TRUE(path == v1::EXECUTION_PATH_UNSPECIFIED || path == point.result().execution_path());
        EXPECT_EQ(point.result().weighting().SerializeAsString(), reply.accepted.weightings(index).SerializeAsString());
        EXPECT_EQ(Essence(point.result()), Alone(*stub_, each, point)) << index;
      }
    }
  }
}

TEST_F(ExploreTest, EqualPointsAreWrittenOnce) {
  ASSERT_NO_FATAL_FAILURE(Start(Options("")));
  v1::ExploreRequest request;
  request.set_article(kArticle);
  for (const double alpha : {0.1, 1.0, 1.0, 0.1}) {
    v1::Steering& steering = *request.mutable_list()->add_steerings();
    steering.set_alpha(alpha);
    steering.add_weights(request.list().steerings_size() == 2 ? 1.0 : 0.5);
    steering.add_weights(request.list().steerings_size() == 2 ? 0.0 : 0.5);
  }
  const ExploredReply reply = Explore(*stub_, request);
  ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
  EXPECT_EQ(reply.accepted.asked(), 4);
  ASSERT_EQ(reply.accepted.weightings_size(), 2);
  EXPECT_THAT(reply.points.at(0).asked(), ElementsAre(0, 3));
  EXPECT_THAT(reply.points.at(1).asked(), ElementsAre(1, 2));
  EXPECT_EQ(Metric("trimtab_explore_points_total"), 2);
  EXPECT_EQ(Metric("trimtab_requests_total{code=\"OK\",method=\"Explore\"}"), 1);
}

TEST_F(ExploreTest, RewardModelsOfTheCheckpointScoreAndTheFrontIsOverItsRewards) {
  for (const char* name : {"r0", "r1"}) {
    const std::string folder = model_.File(absl::StrCat("checkpoint/reward_models/", name));
    std::filesystem::create_directories(folder);
    TinyOptions tiny;
    tiny.seed = name[1] == '0' ? 5 : 6;
    ASSERT_OK(MakeTinyT5(folder, tiny));
    std::ofstream(absl::StrCat(folder, "/", kRewardModelFile)) << RewardModelConfigToJson({.token_id = 5});
  }
  ASSERT_NO_FATAL_FAILURE(Start(Options("")));
  const ExploredReply reply = Explore(*stub_, GridRequest(kArticle, 4));
  ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
  EXPECT_THAT(reply.front.objectives(), ElementsAre("reward_r0", "reward_r1"));
  EXPECT_GE(reply.front.points_size(), 1);
  ASSERT_OK_AND_ASSIGN(const auto judge, RewardModel::Load("r1", model_.File("checkpoint/reward_models/r1"), 1));
  for (const auto& [index, point] : reply.points) {
    ASSERT_EQ(point.scores().size(), 4u);
    const ScoredText text{kArticle, point.result().summary(), ""};
    ASSERT_OK_AND_ASSIGN(const auto expected, judge->ScoreAll({&text, 1}));
    EXPECT_EQ(point.scores().at("r1"), expected[0][0]);
    EXPECT_EQ(point.scores().at("reward_r1"), expected[0][0]);  // The range is [0, 1].
  }
}

TEST_F(ExploreTest, ScoresEachPointAndMarksTheFront) {
  ASSERT_NO_FATAL_FAILURE(Start(Options("")));
  v1::ExploreRequest request = GridRequest(kArticle, Fewer(10, 4));
  request.mutable_grid()->set_alpha_sweep(2);
  // Of its own words, so that there is something to score.
  request.set_reference(Explore(*stub_, request).points.at(3).result().summary());
  const ExploredReply reply = Explore(*stub_, request);
  ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
  std::vector<std::vector<double>> scores;
  for (const auto& [index, point] : reply.points) {
    const RougeScore rouge = RougeLsum(request.reference(), point.result().summary());
    EXPECT_THAT(point.scores(), testing::UnorderedElementsAre(
                                    testing::Pair("rouge_lsum", testing::DoubleEq(100 * rouge.f1)),
                                    testing::Pair("rouge_lsum_precision", testing::DoubleEq(100 * rouge.precision)),
                                    testing::Pair("rouge_lsum_recall", testing::DoubleEq(100 * rouge.recall))));
    scores.push_back({100 * rouge.precision, 100 * rouge.recall});
  }
  EXPECT_EQ(reply.points.at(3).scores().at("rouge_lsum"), 100.0);
  EXPECT_THAT(reply.front.objectives(), ElementsAre("rouge_lsum_precision", "rouge_lsum_recall"));
  EXPECT_THAT(reply.front.points(), testing::ElementsAreArray(NonDominated(scores)));

  request.add_objectives("rouge_lsum");
  const ExploredReply best = Explore(*stub_, request);
  EXPECT_THAT(best.front.objectives(), ElementsAre("rouge_lsum"));
  for (const int index : best.front.points()) EXPECT_EQ(best.points.at(index).scores().at("rouge_lsum"), 100.0);
}

TEST_F(ExploreTest, WithoutAReferenceThereAreNoScoresAndNoFront) {
  ASSERT_NO_FATAL_FAILURE(Start(Options("")));
  const ExploredReply reply = Explore(*stub_, GridRequest(kArticle, 2));
  ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
  EXPECT_EQ(reply.messages, 5);
  for (const auto& [index, point] : reply.points) EXPECT_TRUE(point.scores().empty());
  EXPECT_EQ(reply.front.objectives_size(), 0);
  EXPECT_EQ(reply.front.points_size(), 0);
}

TEST_F(ExploreTest, WritesWeightsIntoThePromptWhereTheCheckpointDoes) {
  TinyOptions tiny;
  tiny.prompt_conditioning = true;
  ASSERT_NO_FATAL_FAILURE(Start(Options(""), tiny));
  v1::ExploreRequest request = GridRequest(kArticle, 4);
  request.mutable_grid()->add_alphas(1.0);
  request.mutable_options()->set_max_new_tokens(Fewer(12, 5));
  request.set_execution_path(v1::EXECUTION_PATH_DENSE);
  const ExploredReply reply = Explore(*stub_, request);
  ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
  EXPECT_EQ(reply.points.size(), 5u) << "equal coefficients, but not equal prompts";
  for (const auto& [index, point] : reply.points) EXPECT_EQ(Essence(point.result()), Alone(*stub_, request, point));
}

TEST_F(ExploreTest, ADeterministicServerRunsAllPointsDensely) {
  ServerOptions options = Options("");
  options.deterministic = true;
  ASSERT_NO_FATAL_FAILURE(Start(options));
  const int divisions = Fewer(40, 10);
  v1::ExploreRequest request = GridRequest(kArticle, divisions);
  const ExploredReply reply = Explore(*stub_, request);
  EXPECT_EQ(reply.points.size(), static_cast<size_t>(divisions + 1));
  for (const auto& [index, point] : reply.points) {
    EXPECT_EQ(point.result().execution_path(), v1::EXECUTION_PATH_DENSE);
  }
  request.set_execution_path(v1::EXECUTION_PATH_BASIS);
  EXPECT_EQ(FieldAtFault(Explore(*stub_, request).status), "execution_path");
}

TEST_F(ExploreTest, RefusesWhatIsBeyondItsLimitsByName) {
  ASSERT_NO_FATAL_FAILURE(Start(Options("")));
  const auto expect = [&](const char* field, const std::function<void(v1::ExploreRequest&)>& change) {
    v1::ExploreRequest request = GridRequest(kArticle, 2);
    change(request);
    const ExploredReply reply = Explore(*stub_, request);
    EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << field;
    EXPECT_EQ(FieldAtFault(reply.status), field) << reply.status.error_message();
    EXPECT_EQ(reply.messages, 0) << field;
  };
  const auto list = [](v1::ExploreRequest& r, int count) {
    for (int i = 0; i < count; ++i) r.mutable_list()->add_steerings();
  };
  expect("article", [](auto& r) { r.set_article(""); });
  expect("article", [](auto& r) { r.set_article(std::string((1 << 20) + 1, 'a')); });
  expect("weightings", [](auto& r) { r.clear_grid(); });
  expect("list.steerings", [&](auto& r) { r.mutable_list(); });
  expect("list.steerings", [&](auto& r) { list(r, 257); });
  expect("list.steerings[2].weights[0]", [&](auto& r) {
    list(r, 3);
    for (const double w : {-1.0, 2.0}) r.mutable_list()->mutable_steerings(2)->add_weights(w);
  });
  expect("list.steerings[1].weights", [&](auto& r) {
    list(r, 2);
    for (int i = 0; i < 17; ++i) r.mutable_list()->mutable_steerings(1)->add_weights(0.0);
  });
  expect("list.steerings[0].preset", [&](auto& r) {
    list(r, 1);
    r.mutable_list()->mutable_steerings(0)->set_preset("nothing");
  });
  expect("grid.divisions", [](auto& r) { r.mutable_grid()->set_divisions(0); });
  expect("grid.alphas[0]", [](auto& r) { r.mutable_grid()->add_alphas(2.0); });
  expect("grid", [](auto& r) {
    r.mutable_grid()->set_divisions(64);
    r.mutable_grid()->set_alpha_sweep(32);
  });
  expect("options.max_new_tokens", [](auto& r) { r.mutable_options()->set_max_new_tokens(0); });
  expect("parameter_digest", [](auto& r) { r.set_parameter_digest(std::string(65, '0')); });
  expect("execution_path", [](auto& r) { r.set_execution_path(static_cast<v1::ExecutionPath>(9)); });
  expect("reference", [](auto& r) { r.set_reference(std::string((64 << 10) + 1, 'a')); });
  expect("objectives[0]", [](auto& r) { r.add_objectives("rouge_lsum"); });  // There is no reference.
  expect("objectives[1]", [](auto& r) {
    r.set_reference("a");
    for (const char* name : {"rouge_lsum", "rouge_x"}) r.add_objectives(name);
  });
  expect("objectives[1]", [](auto& r) {
    r.set_reference("a");
    for (const char* name : {"rouge_lsum", "rouge_lsum"}) r.add_objectives(name);
  });
  expect("objectives", [](auto& r) {
    for (int i = 0; i < 9; ++i) r.add_objectives("rouge_lsum");
  });
  EXPECT_EQ(Metric("trimtab_requests_running"), 0);
}

TEST_F(ExploreTest, TakesTheLargestReferenceAndPinnedParametersOnlyIfHeld) {
  ASSERT_NO_FATAL_FAILURE(Start(Options("")));
  v1::ExploreRequest request = GridRequest(kArticle, 3);
  std::string reference;
  while (reference.size() < (64 << 10)) reference += "a\nb ";
  reference.resize(64 << 10);
  request.set_reference(reference);
  EXPECT_TRUE(Explore(*stub_, request).status.ok());
  request.set_parameter_digest(std::string(64, '0'));
  EXPECT_EQ(Explore(*stub_, request).status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(ExploreTest, TextThatIsNotUtf8IsNoRequest) {
  ASSERT_NO_FATAL_FAILURE(Start(Options("")));
  const auto [status, reply] = RawCall(NewChannel(), "/trimtab.v1.Summarizer/Explore", "\x0a\x02\xc3\x28");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_THAT(status.error_message(), HasSubstr("ExploreRequest"));
}

TEST_F(ExploreTest, APlainT5TakesAListAndNoGrid) {
  ServerOptions options = Options(model_.File("plain"));
  ASSERT_TRUE(MakeTinyT5(options.model).ok());
  ASSERT_NO_FATAL_FAILURE(Start(options));
  EXPECT_EQ(FieldAtFault(Explore(*stub_, GridRequest(kArticle, 2)).status), "grid");
  v1::ExploreRequest request;
  request.set_article(kArticle);
  request.mutable_list()->add_steerings();
  EXPECT_EQ(Explore(*stub_, request).points.size(), 1u);
}

}  // namespace
}  // namespace trimtab
