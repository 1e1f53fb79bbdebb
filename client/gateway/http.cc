#include "client/gateway/http.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/gateway/json.h"

namespace trimtab {
namespace {

constexpr char kJson[] = "application/json";
constexpr char kBearer[] = "Bearer ";
constexpr size_t kMaxToken = 4096;

// gRPC ends the process over metadata of other bytes.
bool IsPrintable(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return absl::ascii_isgraph(c); });
}

// version-traceid-parentid-flags, as W3C Trace Context has it.
bool IsTraceparent(absl::string_view text) {
  constexpr size_t kLength = 55;
  return text.size() == kLength && text[2] == '-' && text[35] == '-' && text[52] == '-' &&
         std::all_of(text.begin(), text.end(), [](char c) { return c == '-' || absl::ascii_isxdigit(c); });
}

}  // namespace

absl::StatusOr<CallOptions> CallOf(const httplib::Request& request) {
  CallOptions call;
  const std::string authorization = request.get_header_value("Authorization");
  if (!authorization.empty()) {
    const absl::string_view token =
        absl::string_view(authorization).substr(std::min(authorization.size(), sizeof(kBearer) - 1));
    const bool ok =
        absl::StartsWithIgnoreCase(authorization, kBearer) && token.size() <= kMaxToken && IsPrintable(token);
    if (!ok) return absl::InvalidArgumentError("Authorization is no bearer token; expected: Bearer TOKEN");
    call.token = std::string(token);
  }
  const std::string traceparent = request.get_header_value("traceparent");
  if (IsTraceparent(traceparent)) call.traceparent = traceparent;
  return call;
}

bool WantsEvents(const httplib::Request& request) {
  return absl::StrContains(request.get_header_value("Accept"), "text/event-stream");
}

void AnswerJson(std::string body, httplib::Response& reply) {
  body += '\n';
  reply.set_content(body, kJson);
}

void AnswerError(const absl::Status& status, httplib::Response& reply) {
  HttpError error = ErrorOf(status);
  reply.status = error.status;
  if (error.retry_after.has_value()) reply.set_header("Retry-After", absl::StrCat(*error.retry_after));
  AnswerJson(std::move(error.body), reply);
}

std::string Event(absl::string_view name, absl::string_view data) {
  return absl::StrCat(name.empty() ? "" : "event: ", name, name.empty() ? "" : "\n", "data: ", data, "\n\n");
}

void AnswerEvents(EventStream::Call call, absl::Duration longest, httplib::Response& reply) {
  const auto events = std::make_shared<EventStream>(std::move(call));
  if (const absl::Status status = events->WaitForFirst(); !status.ok()) return AnswerError(status, reply);
  reply.set_header("Cache-Control", "no-store");
  reply.set_header("X-Accel-Buffering", "no");  // nginx would keep events back.
  const absl::Time give_up = absl::Now() + longest;
  reply.set_chunked_content_provider("text/event-stream", [events, give_up](size_t, httplib::DataSink& sink) {
    if (absl::Now() > give_up) return false;
    if (const std::optional<std::string> event = events->Next()) return sink.write(event->data(), event->size());
    if (const absl::Status status = events->status(); !status.ok()) {
      const std::string last = Event("error", ErrorOf(status).body);
      if (!sink.write(last.data(), last.size())) return false;
    }
    sink.done();
    return true;
  });
}

}  // namespace trimtab
