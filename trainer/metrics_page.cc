#include "trainer/metrics_page.h"

#include <httplib.h>
#include <sys/socket.h>

#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "prometheus/text_serializer.h"

namespace trimtab {
namespace {

// The port, or -1.
int Bind(httplib::Server& server, absl::string_view listen) {
  const size_t colon = listen.rfind(':');
  int port = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(listen.substr(colon + 1), &port)) return -1;
  const std::string host(listen.substr(0, colon));
  if (port == 0) return server.bind_to_any_port(host);
  return server.bind_to_port(host, port) ? port : -1;
}

}  // namespace

struct MetricsPage::Impl {
  explicit Impl(const prometheus::Registry& registry) {
    server.new_task_queue = [] { return new httplib::ThreadPool(1); };
    server.set_keep_alive_max_count(1);  // An idle connection would hold up the end.
    // Not the default SO_REUSEPORT: a second run on our port is an error.
    server.set_socket_options([](int socket) {
      const int on = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    });
    server.Get("/metrics", [&registry](const httplib::Request&, httplib::Response& reply) {
      reply.set_content(prometheus::TextSerializer().Serialize(registry.Collect()),
                        "text/plain; version=0.0.4; charset=utf-8");
    });
  }
  ~Impl() {
    server.stop();
    if (thread.joinable()) thread.join();
  }

  httplib::Server server;
  int port = -1;
  std::thread thread;
};

MetricsPage::MetricsPage(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MetricsPage::~MetricsPage() = default;

absl::StatusOr<std::unique_ptr<MetricsPage>> MetricsPage::Start(const std::string& listen,
                                                                const prometheus::Registry& registry) {
  auto impl = std::make_unique<Impl>(registry);
  impl->port = Bind(impl->server, listen);
  if (impl->port < 0) {
    return absl::UnavailableError(
        absl::StrCat("metrics: ", listen, " cannot be bound: is the port in use, or the host not of this machine?"));
  }
  impl->thread = std::thread([server = &impl->server] { server->listen_after_bind(); });
  while (!impl->server.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return std::unique_ptr<MetricsPage>(new MetricsPage(std::move(impl)));
}

int MetricsPage::port() const { return impl_->port; }

}  // namespace trimtab
