#include "client/gateway/openapi.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/version.h"
#include "google/protobuf/descriptor.h"
#include "nlohmann/json.hpp"
#include "trimtab/v1/summarizer.pb.h"

namespace trimtab {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using nlohmann::ordered_json;

constexpr char kDuration[] = "google.protobuf.Duration";

ordered_json Ref(absl::string_view name) { return {{"$ref", absl::StrCat("#/components/schemas/", name)}}; }

void AddSchema(const Descriptor& message, ordered_json* schemas);

ordered_json EnumSchema(const EnumDescriptor& values) {
  ordered_json names = ordered_json::array();
  for (int i = 0; i < values.value_count(); ++i) names.push_back(values.value(i)->name());
  return {{"type", "string"}, {"enum", std::move(names)}};
}

// Of one value, as protobuf's JSON has it.
ordered_json ValueSchema(const FieldDescriptor& field, ordered_json* schemas) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_UINT32:
      return {{"type", "integer"}, {"format", "int32"}};
    case FieldDescriptor::CPPTYPE_INT64:
    case FieldDescriptor::CPPTYPE_UINT64:
      return {{"type", {"string", "integer"}}, {"pattern", "^-?[0-9]+$"}};
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      return {{"type", "number"}};
    case FieldDescriptor::CPPTYPE_BOOL:
      return {{"type", "boolean"}};
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumSchema(*field.enum_type());
    case FieldDescriptor::CPPTYPE_MESSAGE:
      if (field.message_type()->full_name() == kDuration) return {{"type", "string"}, {"pattern", "^-?[0-9.]+s$"}};
      AddSchema(*field.message_type(), schemas);
      return Ref(field.message_type()->name());
    case FieldDescriptor::CPPTYPE_STRING:
      break;
  }
  return {{"type", "string"}};
}

ordered_json FieldSchema(const FieldDescriptor& field, ordered_json* schemas) {
  if (field.is_map()) {
    return {{"type", "object"}, {"additionalProperties", ValueSchema(*field.message_type()->field(1), schemas)}};
  }
  if (field.is_repeated()) return {{"type", "array"}, {"items", ValueSchema(field, schemas)}};
  return ValueSchema(field, schemas);
}

void AddSchema(const Descriptor& message, ordered_json* schemas) {
  if (schemas->contains(message.name())) return;
  (*schemas)[message.name()] = nullptr;  // Its place, for messages that hold it.
  ordered_json properties = ordered_json::object();
  for (int i = 0; i < message.field_count(); ++i) {
    properties[message.field(i)->name()] = FieldSchema(*message.field(i), schemas);
  }
  (*schemas)[message.name()] = {
      {"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
}

ordered_json ErrorSchema() {
  return ordered_json::parse(R"({"type": "object", "required": ["error"], "properties": {"error": {"type": "object",
    "required": ["code", "message"], "properties": {
      "code": {"type": "integer", "description": "The HTTP status."},
      "status": {"type": "string", "description": "The code of gRPC, such as INVALID_ARGUMENT."},
      "message": {"type": "string"},
      "param": {"type": ["string", "null"], "description": "The field at fault."},
      "type": {"type": "string"},
      "details": {"type": "array", "items": {"type": "object"}, "description": "google.rpc messages."}}}}})");
}

ordered_json LiveSchema() {
  ordered_json schema = ordered_json::parse(R"({"type": "object", "required": ["seconds", "metrics", "rewards"],
    "additionalProperties": false, "properties": {
      "seconds": {"type": "number", "description": "When, since the epoch."},
      "metrics": {"type": "object", "additionalProperties": {"type": "number"},
                  "description": "Sums over the servers' /metrics; empty without --metrics."},
      "rewards": {"type": "object", "additionalProperties": {"type": "number"},
                  "description": "Of the last step of a trainer, by objective."}}})");
  schema["properties"]["parameter_version"] = Ref("ParameterVersion");
  return schema;
}

ordered_json OpenAiSchema(const char* text_field, ordered_json text_schema) {
  ordered_json schema = ordered_json::parse(R"({"type": "object", "properties": {"model": {"type": "string"},
    "max_tokens": {"type": ["integer", "null"], "minimum": 1}, "temperature": {"type": ["number", "null"], "minimum": 0,
    "maximum": 10}, "top_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
    "seed": {"type": ["integer", "null"], "minimum": 0}, "stream": {"type": ["boolean", "null"]}}})");
  schema["required"] = ordered_json::array({text_field});
  schema["properties"][text_field] = std::move(text_schema);
  schema["properties"]["trimtab"] = Ref("SummarizeRequest");
  schema["properties"]["trimtab"]["description"] = "Steering, and all else of SummarizeRequest but its article.";
  return schema;
}

ordered_json Content(const char* type, ordered_json schema) {
  return {{type, ordered_json{{"schema", std::move(schema)}}}};
}

// One method of one path.
ordered_json Operation(const char* id, const char* summary, ordered_json content) {
  ordered_json operation;
  operation["operationId"] = id;
  operation["summary"] = summary;
  operation["responses"]["200"] = {{"description", "Done"}, {"content", std::move(content)}};
  operation["responses"]["default"] = {{"description", "An error"},
                                       {"content", Content("application/json", Ref("Error"))}};
  return operation;
}

ordered_json Posted(ordered_json operation, const char* request) {
  operation["requestBody"] = {{"required", true}, {"content", Content("application/json", Ref(request))}};
  return operation;
}

ordered_json Paths() {
  const ordered_json events = Content("text/event-stream", {{"type", "string"}});
  ordered_json summary = Content("application/json", Ref("SummarizeResponse"));
  summary.update(events);
  ordered_json openai = Content("application/json", {{"type", "object"}});
  openai.update(events);
  ordered_json paths;
  paths["/v1/summarize"]["post"] = Posted(
      Operation("summarize", "Write a summary; with Accept: text/event-stream as events text, then result", summary),
      "SummarizeRequest");
  paths["/v1/explore"]["post"] = Posted(
      Operation("explore", "One article at many weightings, as events point (ExplorePoint), then accepted and front",
                events),
      "ExploreRequest");
  paths["/v1/model"]["get"] =
      Operation("model", "What is served", Content("application/json", Ref("GetModelInfoResponse")));
  paths["/v1/models"]["get"] =
      Operation("listModels", "The same, as OpenAI lists models", Content("application/json", {{"type", "object"}}));
  ordered_json named = Operation("retrieveModel", "One of them", Content("application/json", {{"type", "object"}}));
  named["parameters"] = ordered_json::parse(
      R"([{"name": "model", "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}}])");
  paths["/v1/models/{model}"]["get"] = std::move(named);
  paths["/v1/live"]["get"] =
      Operation("live", "What the page's panel shows: version, throughput, cache, rewards of a trainer",
                Content("application/json", Ref("Live")));
  paths["/v1/completions"]["post"] =
      Posted(Operation("complete", "OpenAI's completions: the prompt is the article", openai), "Completion");
  paths["/v1/chat/completions"]["post"] = Posted(
      Operation("chat", "OpenAI's chat: the last message of role user is the article", openai), "ChatCompletion");
  return paths;
}

}  // namespace

std::string OpenApiDocument() {
  ordered_json schemas = ordered_json::object();
  for (const Descriptor* message :
       {v1::SummarizeRequest::descriptor(), v1::SummarizeResponse::descriptor(), v1::ExploreRequest::descriptor(),
        v1::ExploreResponse::descriptor(), v1::GetModelInfoResponse::descriptor()}) {
    AddSchema(*message, &schemas);
  }
  schemas["Error"] = ErrorSchema();
  schemas["Live"] = LiveSchema();
  schemas["Completion"] = OpenAiSchema("prompt", {{"type", {"string", "array"}}});
  schemas["ChatCompletion"] = OpenAiSchema("messages", {{"type", "array"}, {"items", {{"type", "object"}}}});
  ordered_json document;
  document["openapi"] = "3.1.0";
  document["info"] = {{"title", "Trimtab"}, {"version", TRIMTAB_VERSION}};
  document["paths"] = Paths();
  document["components"]["schemas"] = std::move(schemas);
  document["components"]["securitySchemes"]["token"] = {{"type", "http"}, {"scheme", "bearer"}};
  document["security"] = ordered_json::array({ordered_json::object(), {{"token", ordered_json::array()}}});
  return document.dump(2);
}

}  // namespace trimtab
