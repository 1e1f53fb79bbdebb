// Bodies of the gateway: ours and OpenAI's.
#include "client/gateway/json.h"
#include "client/gateway/openai.h"
#include "nlohmann/json.hpp"
#include "tests/fuzz/fuzz.h"
#include "trimtab/v1/summarizer.pb.h"

namespace trimtab {
namespace {

// Every error becomes a body that is JSON.
void CheckError(const absl::Status& status) {
  if (status.ok()) return;
  FUZZ_CHECK(!status.message().empty());
  const HttpError error = ErrorOf(status);
  FUZZ_CHECK(error.status == 400);
  FUZZ_CHECK(nlohmann::json::accept(error.body));
}

template <typename Message>
void CheckBody(absl::string_view body) {
  Message message, again;
  const absl::Status status = FromJson(body, &message);
  CheckError(status);
  if (!status.ok()) return;
  const std::string text = ToJson(message);
  FUZZ_CHECK(nlohmann::json::accept(text));
  FUZZ_CHECK(FromJson(text, &again).ok());
  FUZZ_CHECK(ToJson(again) == text);
}

void CheckOpenAi(OpenAiForm form, absl::string_view body) {
  const absl::StatusOr<OpenAiRequest> request = ParseOpenAi(form, body);
  CheckError(request.status());
  if (!request.ok()) return;
  const OpenAiAnswer answer = {form, "trimtab-1", 1, request->model};
  v1::SummarizeResponse result;
  result.set_summary(request->request.article());
  for (const std::string& text :
       {WholeBody(answer, result), ChunkBody(answer, result.summary()), LastChunkBody(answer, result)}) {
    FUZZ_CHECK(nlohmann::json::accept(text));
  }
}

FUZZ_TARGET(gateway_json) {
  Choices choices(input);
  const char which = static_cast<char>(choices.Byte());
  const absl::string_view body = choices.Rest();
  if (which == 's') CheckBody<v1::SummarizeRequest>(body);
  if (which == 'e') CheckBody<v1::ExploreRequest>(body);
  if (which == 'p') CheckOpenAi(OpenAiForm::kCompletion, body);
  if (which == 'c') CheckOpenAi(OpenAiForm::kChat, body);
}

}  // namespace
}  // namespace trimtab
