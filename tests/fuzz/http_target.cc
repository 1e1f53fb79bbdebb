// Bytes of a connection, through the HTTP library with routes like ours, and what we read of requests and say in
// replies.
#include <httplib.h>

#include "client/gateway/http.h"
#include "tests/fuzz/fuzz.h"

namespace trimtab {
namespace {

class MemoryStream final : public httplib::Stream {
 public:
  explicit MemoryStream(absl::string_view input) : input_(input) {}

  bool is_readable() const override { return !input_.empty(); }
  bool is_writable() const override { return true; }
  ssize_t read(char* to, size_t size) override {
    const size_t got = input_.copy(to, size);
    input_.remove_prefix(got);
    return static_cast<ssize_t>(got);
  }
  ssize_t write(const char* from, size_t size) override {
    output_.append(from, size);
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override { ip = "127.0.0.1", port = 1; }
  void get_local_ip_and_port(std::string& ip, int& port) const override { ip = "127.0.0.1", port = 2; }
  socket_t socket() const override { return -1; }

  const std::string& output() const { return output_; }

 private:
  absl::string_view input_;
  std::string output_;
};

class TestServer final : public httplib::Server {
 public:
  TestServer() {
    set_payload_max_length(1 << 16);
    const auto answer = [](const httplib::Request& request, httplib::Response& reply) {
      const absl::StatusOr<CallOptions> call = CallOf(request);
      if (!call.ok()) return AnswerError(call.status(), reply);
      for (const char c : call->token.value_or("") + call->traceparent) FUZZ_CHECK(c > ' ' && c < 0x7f);
      AnswerJson(WantsEvents(request) ? "[]" : "{}", reply);
    };
    Get("/v1/models/(.+)", answer);
    Get("/livez", answer);
    Post("/v1/summarize", answer);
    Options("/v1/.*", answer);
  }
  // The request at the front of `stream`; false when the connection is over.
  bool Serve(MemoryStream& stream) {
    bool closed = false;
    return process_request(stream, /*close_connection=*/false, closed, nullptr) && !closed;
  }
};

FUZZ_TARGET(http) {
  static auto* const server = new TestServer;
  MemoryStream stream(input);
  while (stream.is_readable() && server->Serve(stream)) {
  }
  FUZZ_CHECK(stream.output().empty() || stream.output().rfind("HTTP/1.1 ", 0) == 0);
}

}  // namespace
}  // namespace trimtab
