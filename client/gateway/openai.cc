#include "client/gateway/openai.h"

#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/gateway/json.h"
#include "model/field_error.h"
#include "model/status_macros.h"
#include "model/strict_json.h"
#include "nlohmann/json.hpp"

namespace trimtab {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

const json* Find(const json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

// Fields that change what comes back and cannot be had, with the values that ask for nothing.
absl::Status RefuseWhatDoesNotExist(const json& body) {
  const std::pair<const char*, json> harmless[] = {{"n", 1},
                                                   {"best_of", 1},
                                                   {"echo", false},
                                                   {"logprobs", false},
                                                   {"stop", json::array()},
                                                   {"tools", json::array()},
                                                   {"suffix", ""}};
  for (const auto& [key, value] : harmless) {
    const json* asked = Find(body, key);
    if (asked != nullptr && *asked != value)
      return InvalidField(key, "asks for what does not exist here: leave it out");
  }
  return absl::OkStatus();
}

template <typename Set>
absl::Status ReadNumber(const json& body, const char* key, double low, double high, const Set& set) {
  const json* found = Find(body, key);
  if (found == nullptr) return absl::OkStatus();
  const double value = found->is_number() ? found->get<double>() : std::numeric_limits<double>::quiet_NaN();
  if (!(value >= low && value <= high)) {
    return InvalidField(key, absl::StrCat("is no number from ", low, " to ", high));
  }
  set(*found);
  return absl::OkStatus();
}

absl::Status ReadOptions(const json& body, v1::GenerationOptions* options) {
  const auto set_tokens = [&](const json& n) { options->set_max_new_tokens(static_cast<int32_t>(n.get<double>())); };
  constexpr double kMaxTokens = std::numeric_limits<int32_t>::max();
  RETURN_IF_ERROR(ReadNumber(body, "max_tokens", 1, kMaxTokens, set_tokens));
  RETURN_IF_ERROR(ReadNumber(body, "max_completion_tokens", 1, kMaxTokens, set_tokens));
  RETURN_IF_ERROR(
      ReadNumber(body, "temperature", 0, 10, [&](const json& n) { options->set_temperature(n.get<float>()); }));
  RETURN_IF_ERROR(ReadNumber(body, "top_p", 0, 1, [&](const json& n) { options->set_top_p(n.get<float>()); }));
  return ReadNumber(body, "seed", 0, std::ldexp(1.0, 53),
                    [&](const json& n) { options->set_seed(static_cast<uint64_t>(n.get<double>())); });
}

absl::StatusOr<std::string> ArticleOfPrompt(const json& body) {
  const json* prompt = Find(body, "prompt");
  if (prompt != nullptr && prompt->is_array() && prompt->size() == 1) prompt = &prompt->front();
  if (prompt != nullptr && prompt->is_string()) return prompt->get<std::string>();
  return InvalidField("prompt", "is no text; expected the article as a string, or a list of one");
}

// The content of a message: a string, or parts of type text.
absl::StatusOr<std::string> TextOfContent(const json& content) {
  if (content.is_string()) return content.get<std::string>();
  std::string text;
  for (const json& part : content.is_array() ? content : json::array({nullptr})) {
    const json* piece = part.is_object() ? Find(part, "text") : nullptr;
    if (piece == nullptr || !piece->is_string()) {
      return InvalidField("messages", "has content that is not text; expected a string, or parts of type text");
    }
    text += piece->get<std::string>();
  }
  return text;
}

absl::StatusOr<std::string> ArticleOfMessages(const json& body) {
  const json* messages = Find(body, "messages");
  if (messages == nullptr || !messages->is_array()) {
    return InvalidField("messages", "is missing or no list; expected at least one message of role user");
  }
  for (auto message = messages->rbegin(); message != messages->rend(); ++message) {
    const json* role = message->is_object() ? Find(*message, "role") : nullptr;
    const json* content = message->is_object() ? Find(*message, "content") : nullptr;
    if (role != nullptr && *role == "user" && content != nullptr) return TextOfContent(*content);
  }
  return InvalidField("messages", "has no message of role user with content; the last one is the article");
}

ordered_json Head(const OpenAiAnswer& answer, const char* chat_object) {
  ordered_json body;
  body["id"] = answer.id;
  body["object"] = answer.form == OpenAiForm::kChat ? chat_object : "text_completion";
  body["created"] = answer.created;
  body["model"] = answer.model;
  return body;
}

ordered_json Choice(const OpenAiAnswer& answer, const char* chat_key, absl::string_view text, ordered_json finish) {
  ordered_json choice;
  choice["index"] = 0;
  if (answer.form == OpenAiForm::kChat) {
    choice[chat_key] = {{"role", "assistant"}, {"content", std::string(text)}};
  } else {
    choice["text"] = std::string(text);
  }
  choice["logprobs"] = nullptr;
  choice["finish_reason"] = std::move(finish);
  return choice;
}

const char* FinishReason(const v1::SummarizeResponse& result) {
  return result.finish_reason() == v1::FINISH_REASON_LENGTH ? "length" : "stop";
}

// What the reply says beyond OpenAI's: all of SummarizeResponse but the text.
void AddResult(const v1::SummarizeResponse& result, ordered_json* body) {
  (*body)["usage"] = {{"prompt_tokens", result.input_tokens()},
                      {"completion_tokens", result.output_tokens()},
                      {"total_tokens", result.input_tokens() + result.output_tokens()}};
  ordered_json ours = ordered_json::parse(ToJson(result), nullptr, /*allow_exceptions=*/false);
  if (ours.is_object()) ours.erase("summary");
  (*body)["trimtab"] = std::move(ours);
}

ordered_json ModelOf(const v1::GetModelInfoResponse& info) {
  return {{"id", info.name()}, {"object", "model"}, {"created", 0}, {"owned_by", "trimtab"}};
}

std::string Dump(const ordered_json& body) { return body.dump(-1, ' ', false, ordered_json::error_handler_t::replace); }

}  // namespace

absl::StatusOr<OpenAiRequest> ParseOpenAi(OpenAiForm form, absl::string_view text) {
  ASSIGN_OR_RETURN(const json body, ParseStrictJson(text, "body"));
  if (!body.is_object()) return absl::InvalidArgumentError("body is no JSON object; expected one");
  RETURN_IF_ERROR(RefuseWhatDoesNotExist(body));
  OpenAiRequest parsed;
  if (const json* ours = Find(body, "trimtab"); ours != nullptr) {
    RETURN_IF_ERROR(FromJson(ours->dump(), &parsed.request));
  }
  ASSIGN_OR_RETURN(*parsed.request.mutable_article(),
                   form == OpenAiForm::kChat ? ArticleOfMessages(body) : ArticleOfPrompt(body));
  RETURN_IF_ERROR(ReadOptions(body, parsed.request.mutable_options()));
  if (const json* model = Find(body, "model"); model != nullptr && model->is_string())
    parsed.model = model->get<std::string>();
  if (const json* stream = Find(body, "stream"); stream != nullptr) {
    if (!stream->is_boolean()) return InvalidField("stream", "is no boolean; expected true or false");
    parsed.stream = stream->get<bool>();
  }
  return parsed;
}

std::string WholeBody(const OpenAiAnswer& answer, const v1::SummarizeResponse& result) {
  ordered_json body = Head(answer, "chat.completion");
  body["choices"] = ordered_json::array({Choice(answer, "message", result.summary(), FinishReason(result))});
  AddResult(result, &body);
  return Dump(body);
}

std::string ChunkBody(const OpenAiAnswer& answer, absl::string_view piece) {
  ordered_json body = Head(answer, "chat.completion.chunk");
  body["choices"] = ordered_json::array({Choice(answer, "delta", piece, nullptr)});
  return Dump(body);
}

std::string LastChunkBody(const OpenAiAnswer& answer, const v1::SummarizeResponse& result) {
  ordered_json body = Head(answer, "chat.completion.chunk");
  body["choices"] = ordered_json::array({Choice(answer, "delta", "", FinishReason(result))});
  AddResult(result, &body);
  return Dump(body);
}

std::string ModelBody(const v1::GetModelInfoResponse& info) { return Dump(ModelOf(info)); }

std::string ModelsBody(const v1::GetModelInfoResponse& info) {
  return Dump({{"object", "list"}, {"data", ordered_json::array({ModelOf(info)})}});
}

}  // namespace trimtab
