#include "server/rim/metrics_http.h"

#include <httplib.h>

#include <chrono>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "common/http_listener.h"
#include "nlohmann/json.hpp"
#include "prometheus/text_serializer.h"
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

}  // namespace

struct MetricsHttp::Impl {
  Impl(Options options, const prometheus::Registry& registry) {
    server.set_read_timeout(kReadTimeout);
    server.set_keep_alive_max_count(1);  // An idle connection would hold up the end.
    RefuseOtherMethods();
    AddPages(std::move(options), registry);
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

  httplib::Server server;
  std::unique_ptr<HttpListener> listener;
};

MetricsHttp::MetricsHttp(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MetricsHttp::~MetricsHttp() = default;

absl::StatusOr<std::unique_ptr<MetricsHttp>> MetricsHttp::Start(Options options, const prometheus::Registry& registry) {
  const std::string address = options.listen;
  auto impl = std::make_unique<Impl>(std::move(options), registry);
  auto listener = HttpListener::Start(
      {.address = address, .name = "metrics-listen", .most_connections = kMostConnections}, &impl->server);
  if (!listener.ok()) return listener.status();
  impl->listener = *std::move(listener);
  return std::unique_ptr<MetricsHttp>(new MetricsHttp(std::move(impl)));
}

int MetricsHttp::port() const { return impl_->listener->port(); }

}  // namespace trimtab
