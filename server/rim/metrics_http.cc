#include "server/rim/metrics_http.h"

#include <httplib.h>
#include <sys/socket.h>

#include <chrono>
#include <iterator>
#include <thread>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"
#include "prometheus/text_serializer.h"
#include "server/rim/connection_threads.h"
#include "server/rim/process_metrics.h"
#include "server/rim/version.h"

namespace trimtab {
namespace {

constexpr size_t kMostConnections = 256;
constexpr auto kReadTimeout = std::chrono::seconds(5);
constexpr char kPlainText[] = "text/plain; charset=utf-8";

void Answer(httplib::Response& reply, int status, const char* body) {
  reply.status = status;
  reply.set_content(body, kPlainText);
}

// HOST:PORT as bound, or -1.
int Bind(httplib::Server& server, absl::string_view listen) {
  const size_t colon = listen.rfind(':');
  int port = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(listen.substr(colon + 1), &port)) return -1;
  absl::string_view host = listen.substr(0, colon);
  absl::ConsumePrefix(&host, "[");
  absl::ConsumeSuffix(&host, "]");
  if (port == 0) return server.bind_to_any_port(std::string(host));
  return server.bind_to_port(std::string(host), port) ? port : -1;
}

}  // namespace

struct MetricsHttp::Impl {
  Impl(Options options, const prometheus::Registry& registry) {
    server.new_task_queue = [] { return new ConnectionThreads(kMostConnections); };
    server.set_read_timeout(kReadTimeout);
    server.set_keep_alive_max_count(1);  // An idle connection would hold up the end.
    // Not the default SO_REUSEPORT: a second server on our port is an error.
    server.set_socket_options([this](int socket) {
      listening = socket;
      const int on = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    });
    RefuseOtherMethods();
    AddPages(std::move(options), registry);
  }
  ~Impl() {
    server.stop();
    if (thread.joinable()) thread.join();
  }

  // A request with another method is answered before its body is waited for.
  void RefuseOtherMethods() {
    server.set_pre_routing_handler([](const httplib::Request& request, httplib::Response& reply) {
      if (request.method == "GET" || request.method == "HEAD") return httplib::Server::HandlerResponse::Unhandled;
      Answer(reply, 405, "GET only\n");
      return httplib::Server::HandlerResponse::Handled;
    });
  }

  void AddPages(Options options, const prometheus::Registry& registry) {
    server.Get("/metrics", [&registry, before = std::move(options.before_metrics)](const httplib::Request&,
                                                                                   httplib::Response& reply) {
      before();
      std::vector<prometheus::MetricFamily> families = registry.Collect();
      absl::c_move(ProcessMetrics(), std::back_inserter(families));
      reply.set_content(prometheus::TextSerializer().Serialize(families), "text/plain; version=0.0.4; charset=utf-8");
    });
    server.Get("/livez", [](const httplib::Request&, httplib::Response& reply) { Answer(reply, 200, "ok\n"); });
    server.Get("/readyz", [ready = std::move(options.ready)](const httplib::Request&, httplib::Response& reply) {
      ready() ? Answer(reply, 200, "ok\n") : Answer(reply, 503, "not ready\n");
    });
    server.Get("/version", [](const httplib::Request&, httplib::Response& reply) {
      const nlohmann::json version = {{"version", TRIMTAB_VERSION}, {"commit", TRIMTAB_COMMIT}};
      reply.set_content(version.dump() + "\n", "application/json");
    });
  }

  void Listen() {
    // The library lets five connections wait to be accepted; a sixth asks again after a second.
    ::listen(listening, kMostConnections);
    thread = std::thread([this] { server.listen_after_bind(); });
    while (!server.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  httplib::Server server;
  int listening = -1;
  int port = -1;
  std::thread thread;
};

MetricsHttp::MetricsHttp(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MetricsHttp::~MetricsHttp() = default;

absl::StatusOr<std::unique_ptr<MetricsHttp>> MetricsHttp::Start(Options options, const prometheus::Registry& registry) {
  const std::string listen = options.listen;
  auto impl = std::make_unique<Impl>(std::move(options), registry);
  impl->port = Bind(impl->server, listen);
  if (impl->port < 0) {
    return absl::UnavailableError(absl::StrCat(
        "metrics-listen ", listen, " cannot be bound: is the port in use, or the host not of this machine?"));
  }
  impl->Listen();
  return std::unique_ptr<MetricsHttp>(new MetricsHttp(std::move(impl)));
}

int MetricsHttp::port() const { return impl_->port; }

}  // namespace trimtab
