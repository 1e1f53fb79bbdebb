// How the gateway's pages answer: what all of them share.
#ifndef TRIMTAB_CLIENT_GATEWAY_HTTP_H_
#define TRIMTAB_CLIENT_GATEWAY_HTTP_H_

#include <httplib.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/gateway/event_stream.h"
#include "client/summarizer_client.h"

namespace trimtab {

// The token and trace context to pass on. InvalidArgument for an Authorization that is no bearer token of printable
// characters; a traceparent that is none is left out.
absl::StatusOr<CallOptions> CallOf(const httplib::Request& request);

// Whether the caller wants server-sent events (Accept: text/event-stream).
bool WantsEvents(const httplib::Request& request);

void AnswerJson(std::string body, httplib::Response& reply);
void AnswerError(const absl::Status& status, httplib::Response& reply);

// One server-sent event. `name` may be empty; `data` is one line.
std::string Event(absl::string_view name, absl::string_view data);

// Answers with the events that `call` emits. A call that fails before its first is answered with its error; one that
// fails later ends with an event named `error`. A reply that is not read to its end within `longest` is given up.
void AnswerEvents(EventStream::Call call, absl::Duration longest, httplib::Response& reply);

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_GATEWAY_HTTP_H_
