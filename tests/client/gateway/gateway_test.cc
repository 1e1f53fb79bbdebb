// The gateway in front of a real server.
#include "client/gateway/gateway.h"

#include <httplib.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/server/rim/server_fixture.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

constexpr char kJson[] = "application/json";
constexpr char kSummarize[] = R"({"article": "the server reads text", "steering": {"weights": [0.25, 0.75]},
                                  "options": {"max_new_tokens": 6, "min_new_tokens": 6}})";

// Name and data of each server-sent event.
std::vector<std::pair<std::string, json>> Events(const std::string& body) {
  std::vector<std::pair<std::string, json>> events;
  for (const absl::string_view block : absl::StrSplit(body, "\n\n", absl::SkipEmpty())) {
    std::pair<std::string, json> event;
    for (const absl::string_view line : absl::StrSplit(block, '\n')) {
      if (absl::StartsWith(line, "event: ")) event.first = std::string(line.substr(7));
      if (absl::StartsWith(line, "data: ")) event.second = json::parse(std::string(line.substr(6)), nullptr, false);
    }
    events.push_back(std::move(event));
  }
  return events;
}

class GatewayTest : public ServerFixture {
 protected:
  void StartBoth(GatewayOptions options = {}, const std::string& tokens = "") {
    ServerOptions server = Options("");
    server.tokens = tokens;
    ASSERT_NO_FATAL_FAILURE(Start(server));
    options.servers = server_->grpc_address();
    StartGateway(options);
  }
  void StartGateway(GatewayOptions options) {
    options.listen = "127.0.0.1:0";
    ASSERT_OK_AND_ASSIGN(gateway_, Gateway::Start(options));
    http_ = std::make_unique<httplib::Client>("127.0.0.1", gateway_->port());
  }

  // In front of nothing.
  static GatewayOptions Alone() {
    GatewayOptions options;
    options.servers = "127.0.0.1:1";
    options.timeout = absl::Milliseconds(100);
    return options;
  }

  httplib::Result Post(const std::string& path, const std::string& body, const httplib::Headers& headers = {}) {
    return http_->Post(path, headers, body, kJson);
  }
  httplib::Result PostForEvents(const std::string& path, const std::string& body) {
    return Post(path, body, {{"Accept", "text/event-stream"}});
  }
  // The error of a call that must fail with `status`.
  json ErrorOf(const httplib::Result& reply, int status) {
    if (!reply) return json("no reply");
    EXPECT_EQ(reply->status, status) << reply->body;
    return json::parse(reply->body, nullptr, false)["error"];
  }

  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<httplib::Client> http_;
};

TEST_F(GatewayTest, SummarizesAsJson) {
  ASSERT_NO_FATAL_FAILURE(StartBoth());
  const auto reply = Post("/v1/summarize", kSummarize);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 200) << reply->body;
  EXPECT_EQ(reply->get_header_value("Content-Type"), kJson);
  const json summary = json::parse(reply->body);
  EXPECT_EQ(summary["weighting"]["coefficients"], json::array({0.25, 0.75, 0.0}));
  EXPECT_EQ(summary["output_tokens"], 6);
  EXPECT_TRUE(summary.contains("summary"));
}

TEST_F(GatewayTest, StreamsPiecesAndThenTheResult) {
  ASSERT_NO_FATAL_FAILURE(StartBoth());
  const auto reply = PostForEvents("/v1/summarize", kSummarize);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->get_header_value("Content-Type"), "text/event-stream");
  auto events = Events(reply->body);
  ASSERT_FALSE(events.empty());
  const auto [name, result] = events.back();
  events.pop_back();
  EXPECT_EQ(name, "result");
  std::string text;
  for (const auto& [piece_name, piece] : events) {
    EXPECT_EQ(piece_name, "text");
    text += piece["text"].get<std::string>();
  }
  EXPECT_EQ(text, result["summary"]);
}

TEST_F(GatewayTest, ErrorsNameTheFieldAndCarryTheDetails) {
  ASSERT_NO_FATAL_FAILURE(StartBoth());
  const std::string body = R"({"article": "text", "steering": {"weights": [1, 1]}})";
  for (const auto& reply : {Post("/v1/summarize", body), PostForEvents("/v1/summarize", body)}) {
    const json error = ErrorOf(reply, 400);
    EXPECT_EQ(error["status"], "INVALID_ARGUMENT");
    EXPECT_EQ(error["param"], "steering.weights");
    EXPECT_THAT(error["details"].dump(), HasSubstr("type.googleapis.com/google.rpc.BadRequest"));
  }
}

TEST_F(GatewayTest, RefusesBodiesThatAreNotTheMessage) {
  ASSERT_NO_FATAL_FAILURE(StartBoth());
  EXPECT_THAT(ErrorOf(Post("/v1/summarize", "{"), 400)["message"], HasSubstr("body"));
  EXPECT_THAT(ErrorOf(Post("/v1/summarize", R"({"artikel": "text"})"), 400)["message"], HasSubstr("artikel"));
  EXPECT_THAT(ErrorOf(Post("/v1/summarize", R"({"article": 3})"), 400)["message"], HasSubstr("SummarizeRequest"));
  EXPECT_THAT(ErrorOf(Post("/v1/summarize", std::string(10000, '[')), 400)["message"], HasSubstr("body"));
  EXPECT_THAT(ErrorOf(http_->Post("/v1/summarize", kSummarize, "text/plain"), 400)["message"],
              HasSubstr("Content-Type"));
  EXPECT_THAT(ErrorOf(http_->Get("/v1/nothing"), 404)["message"], HasSubstr("/openapi.json"));
}

TEST_F(GatewayTest, RefusesBodiesBeyondTheLimit) {
  GatewayOptions options;
  options.max_body_bytes = 1000;
  ASSERT_NO_FATAL_FAILURE(StartBoth(options));
  EXPECT_THAT(ErrorOf(Post("/v1/summarize", std::string(2000, ' ')), 413)["message"], HasSubstr("larger"));
}

TEST_F(GatewayTest, ExploresAsEvents) {
  ASSERT_NO_FATAL_FAILURE(StartBoth());
  const auto reply = PostForEvents("/v1/explore", R"({"article": "the server reads text", "grid": {"divisions": 2},
      "reference": "reads text", "options": {"max_new_tokens": 6}})");
  ASSERT_TRUE(reply);
  const auto events = Events(reply->body);
  ASSERT_THAT(events, SizeIs(5)) << reply->body;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(events[i].first, "point");
    EXPECT_TRUE(events[i].second["scores"].contains("rouge_lsum_recall"));
  }
  EXPECT_EQ(events[3].first, "accepted");
  EXPECT_EQ(events[4].first, "front");
  EXPECT_FALSE(events[4].second["points"].empty());
}

TEST_F(GatewayTest, SpeaksToClientsOfOpenAi) {
  ASSERT_NO_FATAL_FAILURE(StartBoth());
  const auto whole = Post("/v1/completions", R"({"model": "tiny", "prompt": "the server reads text", "max_tokens": 6,
      "trimtab": {"steering": {"weights": [1, 0]}}})");
  ASSERT_TRUE(whole);
  const json completion = json::parse(whole->body);
  EXPECT_EQ(completion["model"], "tiny");
  EXPECT_EQ(completion["trimtab"]["weighting"]["weights"], json::array({1.0, 0.0}));
  const auto chat = Post("/v1/chat/completions", R"({"stream": true, "max_tokens": 6,
      "messages": [{"role": "user", "content": "the server reads text"}]})");
  ASSERT_TRUE(chat);
  EXPECT_THAT(chat->body, testing::EndsWith("data: [DONE]\n\n"));
  EXPECT_EQ(Events(chat->body)[0].second["object"], "chat.completion.chunk");
  EXPECT_EQ(ErrorOf(Post("/v1/completions", R"({"prompt": "text", "n": 3})"), 400)["param"], "n");
  EXPECT_EQ(json::parse(http_->Get("/v1/models")->body)["data"].size(), 1u);
  EXPECT_EQ(json::parse(http_->Get("/v1/model")->body)["rewards"].size(), 2u);
}

TEST_F(GatewayTest, OtherMethodsAreToldWhichAreTaken) {
  ASSERT_NO_FATAL_FAILURE(StartGateway(Alone()));
  const auto got = http_->Get("/v1/summarize");
  EXPECT_THAT(ErrorOf(got, 405)["message"], HasSubstr("POST"));
  EXPECT_EQ(got->get_header_value("Allow"), "POST");
  EXPECT_EQ(http_->Delete("/v1/models/tiny")->get_header_value("Allow"), "GET, HEAD");
}

TEST_F(GatewayTest, AModelIsFoundByItsName) {
  ASSERT_NO_FATAL_FAILURE(StartBoth());
  const std::string name = json::parse(http_->Get("/v1/models")->body)["data"][0]["id"];
  EXPECT_EQ(json::parse(http_->Get("/v1/models/" + name)->body)["id"], name);
  EXPECT_THAT(ErrorOf(http_->Get("/v1/models/another"), 404)["message"], HasSubstr(name));
}

TEST_F(GatewayTest, TheLivePanelSumsUpWhatOperatorsSee) {
  ASSERT_NO_FATAL_FAILURE(StartBoth());
  const json without = json::parse(http_->Get("/v1/live")->body);
  EXPECT_EQ(without["parameter_version"]["sequence"], "0");
  EXPECT_TRUE(without["metrics"].empty());
  GatewayOptions options;
  options.servers = server_->grpc_address();
  options.metrics = absl::StrCat(server_->metrics_address(), ",127.0.0.1:1");  // The second is not there.
  ASSERT_NO_FATAL_FAILURE(StartGateway(options));
  ASSERT_TRUE(Post("/v1/summarize", kSummarize));
  const json with = json::parse(http_->Get("/v1/live")->body);
  EXPECT_EQ(with["metrics"]["generated_tokens_total"], 6);
  EXPECT_TRUE(with["rewards"].empty());
}

TEST_F(GatewayTest, TokensGoThroughToTheServer) {
  const std::string file = model_.File("tokens");
  std::ofstream(file) << "infer reader-reader-reader\n";
  std::filesystem::permissions(file, std::filesystem::perms::owner_read);
  ASSERT_NO_FATAL_FAILURE(StartBoth({}, file));
  EXPECT_EQ(ErrorOf(Post("/v1/summarize", kSummarize), 401)["status"], "UNAUTHENTICATED");
  ErrorOf(http_->Get("/v1/live"), 401);
  const auto right = Post("/v1/summarize", kSummarize, {{"Authorization", "Bearer reader-reader-reader"}});
  ASSERT_TRUE(right);
  EXPECT_EQ(right->status, 200) << right->body;
  for (const char* odd : {"Basic dXNlcg==", "Bearer t\xc3\xb6ken", "Bearer two words"}) {
    EXPECT_EQ(ErrorOf(Post("/v1/summarize", kSummarize, {{"Authorization", odd}}), 400)["status"], "INVALID_ARGUMENT");
  }
}

TEST_F(GatewayTest, PagesOfOtherOriginsMayCallOnlyWhereThatIsSaid) {
  ASSERT_NO_FATAL_FAILURE(StartBoth());
  const httplib::Headers origin = {{"Origin", "https://example.org"}};
  EXPECT_FALSE(Post("/v1/summarize", kSummarize, origin)->has_header("Access-Control-Allow-Origin"));
  EXPECT_EQ(http_->Options("/v1/summarize", origin)->status, 405);
  GatewayOptions open;
  open.servers = server_->grpc_address();
  open.cors_origin = "https://example.org";
  ASSERT_NO_FATAL_FAILURE(StartGateway(open));
  EXPECT_EQ(Post("/v1/summarize", kSummarize)->get_header_value("Access-Control-Allow-Origin"), "https://example.org");
  EXPECT_EQ(http_->Options("/v1/summarize", origin)->status, 204);
}

TEST_F(GatewayTest, AServerThatIsNotThereIsUnavailable) {
  ASSERT_NO_FATAL_FAILURE(StartGateway(Alone()));
  ErrorOf(http_->Get("/v1/model"), 503);
  EXPECT_EQ(http_->Get("/livez")->status, 200);
}

TEST_F(GatewayTest, ServesAPageThatLoadsNothingFromElsewhere) {
  ASSERT_NO_FATAL_FAILURE(StartGateway(Alone()));
  const auto page = http_->Get("/");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 200);
  EXPECT_THAT(page->get_header_value("Content-Security-Policy"), HasSubstr("default-src 'none'"));
  for (const char* file : {"style.css", "app.js", "api.js", "steer.js", "front.js", "live.js", "icon.svg"}) {
    const auto loaded = http_->Get(absl::StrCat("/", file));
    ASSERT_TRUE(loaded);
    EXPECT_EQ(loaded->status, 200) << file;
    EXPECT_THAT(loaded->body, Not(HasSubstr("https://")));
  }
  EXPECT_THAT(page->body, Not(HasSubstr("https://")));
}

TEST_F(GatewayTest, EveryReferenceOfTheOpenApiDocumentLeadsSomewhere) {
  ASSERT_NO_FATAL_FAILURE(StartGateway(Alone()));
  const std::string text = http_->Get("/openapi.json")->body;
  const json document = json::parse(text);
  EXPECT_EQ(document["openapi"], "3.1.0");
  int references = 0;
  const json flat = document.flatten();
  for (const auto& [place, value] : flat.items()) {
    if (!absl::EndsWith(place, "/$ref")) continue;
    ++references;
    EXPECT_TRUE(document.contains(json::json_pointer(value.get<std::string>().substr(1)))) << value;
  }
  EXPECT_GT(references, 10);
  for (const auto& [path, methods] : document["paths"].items()) {
    const bool get = methods.contains("get");
    if (absl::StrContains(path, "{")) continue;
    EXPECT_NE((get ? http_->Get(path) : Post(path, "{}"))->status, 404) << path;
  }
}

}  // namespace
}  // namespace trimtab
