#include "client/gateway/openai.h"

#include <string>

#include "gtest/gtest.h"
#include "model/field_error.h"
#include "nlohmann/json.hpp"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

using nlohmann::json;

std::string FieldAtFault(OpenAiForm form, const std::string& body) {
  return FieldOf(ParseOpenAi(form, body).status()).value_or("none");
}

v1::SummarizeResponse Result() {
  v1::SummarizeResponse result;
  result.set_summary("a summary");
  result.set_input_tokens(7);
  result.set_output_tokens(3);
  result.set_finish_reason(v1::FINISH_REASON_LENGTH);
  result.set_cache(v1::CACHE_OUTCOME_HIT);
  return result;
}

TEST(ParseOpenAiTest, ThePromptIsTheArticleAndTheExtensionSteers) {
  const auto asked = ParseOpenAi(OpenAiForm::kCompletion, R"({"model": "m", "prompt": ["text"], "max_tokens": 9,
      "temperature": 0.5, "top_p": 0.9, "seed": 4, "stream": true, "user": "someone", "stop": null,
      "trimtab": {"steering": {"alpha": 0.3, "named_weights": {"brief": 1}}, "options": {"num_beams": 1}}})");
  ASSERT_OK(asked.status());
  EXPECT_EQ(asked->request.article(), "text");
  EXPECT_EQ(asked->request.options().max_new_tokens(), 9);
  EXPECT_EQ(asked->request.options().num_beams(), 1);
  EXPECT_FLOAT_EQ(asked->request.options().temperature(), 0.5f);
  EXPECT_EQ(asked->request.options().seed(), 4u);
  EXPECT_EQ(asked->request.steering().alpha(), 0.3);
  EXPECT_EQ(asked->request.steering().named_weights().at("brief"), 1.0);
  EXPECT_EQ(asked->model, "m");
  EXPECT_TRUE(asked->stream);
}

TEST(ParseOpenAiTest, TheLastMessageOfTheUserIsTheArticle) {
  const auto asked = ParseOpenAi(OpenAiForm::kChat, R"({"messages": [{"role": "system", "content": "be brief"},
      {"role": "user", "content": "old"}, {"role": "user", "content": [{"type": "text", "text": "one "},
      {"type": "text", "text": "two"}]}, {"role": "assistant", "content": "?"}]})");
  ASSERT_OK(asked.status());
  EXPECT_EQ(asked->request.article(), "one two");
  EXPECT_FALSE(asked->stream);
}

TEST(ParseOpenAiTest, NamesTheFieldAtFault) {
  const auto completion = [](const std::string& rest) {
    return FieldAtFault(OpenAiForm::kCompletion, R"({"prompt": "text", )" + rest + "}");
  };
  EXPECT_EQ(completion(R"("n": 2)"), "n");
  EXPECT_EQ(completion(R"("stop": ["\n"])"), "stop");
  EXPECT_EQ(completion(R"("max_tokens": 0)"), "max_tokens");
  EXPECT_EQ(completion(R"("temperature": "hot")"), "temperature");
  EXPECT_EQ(completion(R"("seed": 1e300)"), "seed");
  EXPECT_EQ(completion(R"("stream": 1)"), "stream");
  EXPECT_EQ(FieldAtFault(OpenAiForm::kCompletion, R"({"prompt": 3})"), "prompt");
  EXPECT_EQ(FieldAtFault(OpenAiForm::kChat, R"({"prompt": "text"})"), "messages");
  EXPECT_EQ(FieldAtFault(OpenAiForm::kChat, R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})"),
            "messages");
}

TEST(ParseOpenAiTest, RefusesWhatIsNoObjectOrSteersWithUnknownFields) {
  for (const char* body :
       {"", "[]", "{", R"({"prompt": "text", "trimtab": {"wieghts": [1]}})", R"({"prompt": "text", "trimtab": [1]})"}) {
    EXPECT_THAT(ParseOpenAi(OpenAiForm::kCompletion, body), StatusIs(absl::StatusCode::kInvalidArgument)) << body;
  }
}

TEST(OpenAiBodyTest, AnswersLookAsClientsExpect) {
  const OpenAiAnswer answer = {OpenAiForm::kChat, "trimtab-1", 5, "m"};
  const json whole = json::parse(WholeBody(answer, Result()));
  EXPECT_EQ(whole["object"], "chat.completion");
  EXPECT_EQ(whole["choices"][0]["message"]["content"], "a summary");
  EXPECT_EQ(whole["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(whole["usage"]["total_tokens"], 10);
  EXPECT_EQ(whole["trimtab"]["cache"], "CACHE_OUTCOME_HIT");
  EXPECT_FALSE(whole["trimtab"].contains("summary"));
  const json chunk = json::parse(ChunkBody(answer, "a "));
  EXPECT_EQ(chunk["object"], "chat.completion.chunk");
  EXPECT_EQ(chunk["choices"][0]["delta"]["content"], "a ");
  EXPECT_TRUE(chunk["choices"][0]["finish_reason"].is_null());
}

TEST(OpenAiBodyTest, CompletionsHaveTextAndModelsAName) {
  const OpenAiAnswer answer = {OpenAiForm::kCompletion, "trimtab-1", 5, "m"};
  EXPECT_EQ(json::parse(WholeBody(answer, Result()))["choices"][0]["text"], "a summary");
  EXPECT_EQ(json::parse(LastChunkBody(answer, Result()))["choices"][0]["finish_reason"], "length");
  v1::GetModelInfoResponse info;
  info.set_name("pilot");
  EXPECT_EQ(json::parse(ModelsBody(info))["data"][0]["id"], "pilot");
}

}  // namespace
}  // namespace trimtab
