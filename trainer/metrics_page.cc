#include "trainer/metrics_page.h"

#include <httplib.h>

#include <utility>

#include "common/http_listener.h"
#include "prometheus/text_serializer.h"

namespace trimtab {
struct MetricsPage::Impl {
  explicit Impl(const prometheus::Registry& registry) {
    server.set_keep_alive_max_count(1);  // An idle connection would hold up the end.
    server.Get("/metrics", [&registry](const httplib::Request&, httplib::Response& reply) {
      reply.set_content(prometheus::TextSerializer().Serialize(registry.Collect()),
                        "text/plain; version=0.0.4; charset=utf-8");
    });
  }

  httplib::Server server;
  std::unique_ptr<HttpListener> listener;
};

MetricsPage::MetricsPage(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MetricsPage::~MetricsPage() = default;

absl::StatusOr<std::unique_ptr<MetricsPage>> MetricsPage::Start(const std::string& listen,
                                                                const prometheus::Registry& registry) {
  auto impl = std::make_unique<Impl>(registry);
  auto listener = HttpListener::Start({.address = listen, .name = "metrics"}, &impl->server);
  if (!listener.ok()) return listener.status();
  impl->listener = *std::move(listener);
  return std::unique_ptr<MetricsPage>(new MetricsPage(std::move(impl)));
}

int MetricsPage::port() const { return impl_->listener->port(); }

}  // namespace trimtab
