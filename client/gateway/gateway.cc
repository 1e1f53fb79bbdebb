#include "client/gateway/gateway.h"

#include <httplib.h>

#include <chrono>
#include <functional>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/random/random.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/gateway/http.h"
#include "client/gateway/json.h"
#include "client/gateway/live.h"
#include "client/gateway/openai.h"
#include "client/gateway/openapi.h"
#include "client/gateway/web_files.h"
#include "client/summarizer_client.h"
#include "client/version.h"
#include "common/http_listener.h"
#include "nlohmann/json.hpp"

namespace trimtab {
namespace {

using httplib::Request;
using httplib::Response;

// The page loads nothing from elsewhere, and is in no frame of another.
constexpr char kPagePolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

// A page of another origin cannot send this type without asking first (CORS), a form not at all.
absl::Status CheckIsJson(const Request& request) {
  if (absl::StartsWith(request.get_header_value("Content-Type"), "application/json")) return absl::OkStatus();
  return absl::InvalidArgumentError("Content-Type is not application/json; send a JSON body with that type");
}

std::string HttpErrorBody(int status, const std::string& message) {
  const nlohmann::ordered_json error = {{"code", status}, {"message", message}};
  return nlohmann::ordered_json{{"error", error}}.dump();
}

// Of a path under /v1; empty for one that does not exist.
absl::string_view AllowedMethods(absl::string_view path) {
  constexpr absl::string_view kPosted[] = {"/v1/summarize", "/v1/explore", "/v1/completions", "/v1/chat/completions"};
  constexpr absl::string_view kGotten[] = {"/v1/model", "/v1/models", "/v1/live"};
  if (absl::c_linear_search(kPosted, path)) return "POST";
  return absl::c_linear_search(kGotten, path) || absl::StartsWith(path, "/v1/models/") ? "GET, HEAD" : "";
}

// What httplib refused by itself, as our errors look.
void ExplainStatus(const Request&, Response& reply) {
  if (!reply.body.empty()) return;
  const char* reason = reply.status == 404   ? "there is no such page; /openapi.json lists all"
                       : reply.status == 413 ? "the body is larger than this gateway takes"
                                             : "the request is no HTTP that can be served";
  AnswerJson(HttpErrorBody(reply.status, reason), reply);
}

}  // namespace

struct Gateway::Impl {
  explicit Impl(GatewayOptions given);

  using Handler = absl::Status (Impl::*)(const Request&, const CallOptions&, Response&);
  // A handler answers itself unless it fails.
  httplib::Server::Handler Answering(Handler handler);
  void AddPages();
  void AddWebFiles();
  void AddCors();
  void RefuseOtherMethods();

  absl::Status Summarize(const Request& http, const CallOptions& call, Response& reply);
  absl::Status Explore(const Request& http, const CallOptions& call, Response& reply);
  absl::Status Model(const Request& http, const CallOptions& call, Response& reply);
  absl::Status Models(const Request& http, const CallOptions& call, Response& reply);
  absl::Status NamedModel(const Request& http, const CallOptions& call, Response& reply);
  absl::Status LivePanel(const Request& http, const CallOptions& call, Response& reply);
  absl::Status Completions(const Request& http, const CallOptions& call, Response& reply) {
    return OpenAi(OpenAiForm::kCompletion, http, call, reply);
  }
  absl::Status ChatCompletions(const Request& http, const CallOptions& call, Response& reply) {
    return OpenAi(OpenAiForm::kChat, http, call, reply);
  }
  absl::Status OpenAi(OpenAiForm form, const Request& http, const CallOptions& call, Response& reply);

  // A summary as events: `piece` and `last` make them.
  using OfPiece = std::function<std::string(absl::string_view)>;
  using OfResult = std::function<std::string(const v1::SummarizeResponse&)>;
  void Stream(v1::SummarizeRequest request, const CallOptions& call, OfPiece piece, OfResult last, Response& reply);

  const GatewayOptions options;
  const SummarizerClient client;
  Live live;
  httplib::Server server;
  std::unique_ptr<HttpListener> listener;
};

Gateway::Impl::Impl(GatewayOptions given)
    : options(std::move(given)),
      client(options.servers, {.timeout = options.timeout, .tls = options.tls}),
      live(options.metrics) {
  server.set_read_timeout(absl::ToChronoSeconds(options.read_timeout));
  server.set_write_timeout(absl::ToChronoSeconds(options.write_timeout));
  server.set_payload_max_length(options.max_body_bytes);
  server.set_tcp_nodelay(true);  // Pieces are small, and wanted at once.
  server.set_error_handler(httplib::Server::Handler(ExplainStatus));
  AddPages();
  AddWebFiles();
  AddCors();
  RefuseOtherMethods();
}

httplib::Server::Handler Gateway::Impl::Answering(Handler handler) {
  return [this, handler](const Request& http, Response& reply) {
    absl::Status status = http.method == "POST" ? CheckIsJson(http) : absl::OkStatus();
    absl::StatusOr<CallOptions> call = CallOf(http);
    if (status.ok()) status = call.status();
    if (status.ok()) status = (this->*handler)(http, *call, reply);
    if (!status.ok()) AnswerError(status, reply);
  };
}

void Gateway::Impl::AddPages() {
  server.Post("/v1/summarize", Answering(&Impl::Summarize));
  server.Post("/v1/explore", Answering(&Impl::Explore));
  server.Get("/v1/model", Answering(&Impl::Model));
  server.Get("/v1/models", Answering(&Impl::Models));
  server.Get("/v1/models/(.+)", Answering(&Impl::NamedModel));
  server.Get("/v1/live", Answering(&Impl::LivePanel));
  server.Post("/v1/completions", Answering(&Impl::Completions));
  server.Post("/v1/chat/completions", Answering(&Impl::ChatCompletions));
  server.Get("/openapi.json", [](const Request&, Response& reply) { AnswerJson(OpenApiDocument(), reply); });
  server.Get("/livez", [](const Request&, Response& reply) { reply.set_content("ok\n", "text/plain"); });
  server.Get("/version", [](const Request&, Response& reply) {
    AnswerJson(nlohmann::ordered_json{{"version", TRIMTAB_VERSION}, {"commit", TRIMTAB_COMMIT}}.dump(), reply);
  });
}

void Gateway::Impl::AddWebFiles() {
  for (const WebFile& file : WebFiles()) {
    server.Get(file.path, [&file](const Request&, Response& reply) {
      reply.set_header("Content-Security-Policy", kPagePolicy);
      reply.set_header("X-Content-Type-Options", "nosniff");
      reply.set_header("Referrer-Policy", "no-referrer");
      reply.set_header("Cache-Control", "no-cache");
      reply.set_content(reinterpret_cast<const char*>(file.content.data()), file.content.size(), file.type);
    });
  }
}

void Gateway::Impl::AddCors() {
  if (options.cors_origin.empty()) return;
  server.set_default_headers({{"Access-Control-Allow-Origin", options.cors_origin}, {"Vary", "Origin"}});
  server.Options("/v1/.*", [](const Request&, Response& reply) {
    reply.set_header("Access-Control-Allow-Methods", "GET, POST");
    reply.set_header("Access-Control-Allow-Headers", "Authorization, Content-Type, traceparent");
    reply.set_header("Access-Control-Max-Age", "600");
    reply.status = 204;
  });
}

// httplib has 404 and 400 for what is there, but not by this method.
void Gateway::Impl::RefuseOtherMethods() {
  server.set_pre_routing_handler([cors = !options.cors_origin.empty()](const Request& http, Response& reply) {
    const absl::string_view allowed = AllowedMethods(http.path);
    const bool asks_first = cors && http.method == "OPTIONS";
    if (allowed.empty() || asks_first || absl::StrContains(allowed, http.method)) {
      return httplib::Server::HandlerResponse::Unhandled;
    }
    reply.status = 405;
    reply.set_header("Allow", std::string(allowed));
    AnswerJson(HttpErrorBody(405, absl::StrCat("this path takes ", allowed)), reply);
    return httplib::Server::HandlerResponse::Handled;
  });
}

void Gateway::Impl::Stream(v1::SummarizeRequest request, const CallOptions& call, OfPiece piece, OfResult last,
                           Response& reply) {
  const auto run = [this, request = std::move(request), call, piece = std::move(piece),
                    last = std::move(last)](const EventStream::Emit& emit) {
    bool wanted = true;
    CallOptions cancellable = call;
    cancellable.wanted = [&wanted] { return wanted; };
    const auto on_text = [&](absl::string_view text) { wanted = wanted && emit(piece(text)); };
    const auto result = client.StreamSummarize(request, on_text, cancellable);
    if (result.ok()) emit(last(*result));
    return result.status();
  };
  AnswerEvents(run, 2 * options.timeout, reply);
}

absl::Status Gateway::Impl::Summarize(const Request& http, const CallOptions& call, Response& reply) {
  v1::SummarizeRequest request;
  if (absl::Status status = FromJson(http.body, &request); !status.ok()) return status;
  if (WantsEvents(http)) {
    const auto piece = [](absl::string_view text) {
      v1::StreamSummarizeResponse event;
      event.set_text(std::string(text));
      return Event("text", ToJson(event));
    };
    const auto last = [](const v1::SummarizeResponse& result) { return Event("result", ToJson(result)); };
    Stream(std::move(request), call, piece, last, reply);
    return absl::OkStatus();
  }
  const auto result = client.Summarize(request, call);
  if (result.ok()) AnswerJson(ToJson(*result), reply);
  return result.status();
}

absl::Status Gateway::Impl::Explore(const Request& http, const CallOptions& call, Response& reply) {
  v1::ExploreRequest request;
  if (absl::Status status = FromJson(http.body, &request); !status.ok()) return status;
  const auto run = [this, request = std::move(request), call](const EventStream::Emit& emit) {
    bool wanted = true;
    CallOptions cancellable = call;
    cancellable.wanted = [&wanted] { return wanted; };
    const auto on_point = [&](const v1::ExplorePoint& point) {
      wanted = wanted && emit(Event("point", ToJson(point)));
    };
    const auto explored = client.Explore(request, on_point, cancellable);
    if (!explored.ok()) return explored.status();
    emit(Event("accepted", ToJson(explored->accepted)));
    emit(Event("front", ToJson(explored->front)));
    return absl::OkStatus();
  };
  AnswerEvents(run, 2 * options.timeout, reply);
  return absl::OkStatus();
}

absl::Status Gateway::Impl::Model(const Request&, const CallOptions& call, Response& reply) {
  const auto info = client.GetModelInfo(call);
  if (info.ok()) AnswerJson(ToJson(*info), reply);
  return info.status();
}

absl::Status Gateway::Impl::Models(const Request&, const CallOptions& call, Response& reply) {
  const auto info = client.GetModelInfo(call);
  if (info.ok()) AnswerJson(ModelsBody(*info), reply);
  return info.status();
}

absl::Status Gateway::Impl::NamedModel(const Request& http, const CallOptions& call, Response& reply) {
  const auto info = client.GetModelInfo(call);
  if (!info.ok()) return info.status();
  const std::string name = http.matches[1];
  if (name != info->name()) {
    return absl::NotFoundError(absl::StrCat("model ", name, " is not served here; ", info->name(), " is"));
  }
  AnswerJson(ModelBody(*info), reply);
  return absl::OkStatus();
}

// The server is asked too: it knows who may see this.
absl::Status Gateway::Impl::LivePanel(const Request&, const CallOptions& call, Response& reply) {
  const auto info = client.GetModelInfo(call);
  if (!info.ok()) return info.status();
  AnswerJson(LiveBody(*info, live.Now()), reply);
  return absl::OkStatus();
}

absl::Status Gateway::Impl::OpenAi(OpenAiForm form, const Request& http, const CallOptions& call, Response& reply) {
  absl::StatusOr<OpenAiRequest> asked = ParseOpenAi(form, http.body);
  if (!asked.ok()) return asked.status();
  const std::string id = absl::StrCat("trimtab-", absl::Hex(absl::Uniform<uint64_t>(absl::BitGen())));
  const OpenAiAnswer answer = {form, id, absl::ToUnixSeconds(absl::Now()), asked->model};
  if (asked->stream) {
    const auto piece = [answer](absl::string_view text) { return Event("", ChunkBody(answer, text)); };
    const auto last = [answer](const v1::SummarizeResponse& result) {
      return Event("", LastChunkBody(answer, result)) + Event("", "[DONE]");
    };
    Stream(std::move(asked->request), call, piece, last, reply);
    return absl::OkStatus();
  }
  const auto result = client.Summarize(asked->request, call);
  if (result.ok()) AnswerJson(WholeBody(answer, *result), reply);
  return result.status();
}

Gateway::Gateway(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Gateway::~Gateway() = default;

absl::StatusOr<std::unique_ptr<Gateway>> Gateway::Start(const GatewayOptions& options) {
  auto impl = std::make_unique<Impl>(options);
  auto listener = HttpListener::Start(
      {.address = options.listen, .name = "listen", .most_connections = options.max_connections}, &impl->server);
  if (!listener.ok()) return listener.status();
  impl->listener = *std::move(listener);
  return std::unique_ptr<Gateway>(new Gateway(std::move(impl)));
}

int Gateway::port() const { return impl_->listener->port(); }

}  // namespace trimtab
