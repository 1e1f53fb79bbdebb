// What clients of OpenAI's API send and expect, and what it means here. Pure.
#ifndef TRIMTAB_CLIENT_GATEWAY_OPENAI_H_
#define TRIMTAB_CLIENT_GATEWAY_OPENAI_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "trimtab/v1/summarizer.pb.h"

namespace trimtab {

enum class OpenAiForm { kCompletion, kChat };

struct OpenAiRequest {
  v1::SummarizeRequest request;
  std::string model;  // As asked; one model is served, whatever its name.
  bool stream = false;
};

// The article is `prompt`, or the text of the last message of role user. max_tokens (max_completion_tokens),
// temperature, top_p and seed become options. The object `trimtab` may hold any other field of SummarizeRequest:
// {"steering": {"weights": [0.8, 0.2], "alpha": 0.3}}. InvalidArgument, naming the field, for what is not JSON, has no
// article, or asks for what does not exist here (n, stop, tools, logprobs, echo). Other fields are ignored, as
// OpenAI's clients send many.
absl::StatusOr<OpenAiRequest> ParseOpenAi(OpenAiForm form, absl::string_view body);

// Of one answer: what its bodies have in common.
struct OpenAiAnswer {
  OpenAiForm form;
  std::string id;
  int64_t created = 0;  // Seconds since 1970.
  std::string model;
};
std::string WholeBody(const OpenAiAnswer& answer, const v1::SummarizeResponse& result);
std::string ChunkBody(const OpenAiAnswer& answer, absl::string_view piece);
std::string LastChunkBody(const OpenAiAnswer& answer, const v1::SummarizeResponse& result);

// The reply to /v1/models: the one model.
std::string ModelBody(const v1::GetModelInfoResponse& info);
std::string ModelsBody(const v1::GetModelInfoResponse& info);

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_GATEWAY_OPENAI_H_
