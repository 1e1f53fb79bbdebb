#include "common/http_listener.h"

#include <sys/socket.h>

#include <chrono>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/connection_threads.h"

namespace trimtab {
namespace {

// The port, or -1.
int Bind(absl::string_view address, httplib::Server& server) {
  const size_t colon = address.rfind(':');
  int port = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(address.substr(colon + 1), &port)) return -1;
  absl::string_view host = address.substr(0, colon);
  absl::ConsumePrefix(&host, "[");
  absl::ConsumeSuffix(&host, "]");
  if (port == 0) return server.bind_to_any_port(std::string(host));
  return server.bind_to_port(std::string(host), port) ? port : -1;
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpListener>> HttpListener::Start(const Options& options, httplib::Server* server) {
  server->new_task_queue = [most = options.most_connections] { return new ConnectionThreads(most); };
  // Not the default SO_REUSEPORT: a second server on our port is an error.
  int bound = -1;
  server->set_socket_options([&bound](int socket) {
    bound = socket;
    const int on = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  });
  const int port = Bind(options.address, *server);
  server->set_socket_options(nullptr);
  if (port < 0) {
    return absl::UnavailableError(absl::StrCat(
        options.name, " ", options.address, " cannot be bound: is the port in use, or the host not of this machine?"));
  }
  // httplib lets 5 connections wait to be taken; the others of a crowd would try again after seconds.
  listen(bound, SOMAXCONN);
  return std::unique_ptr<HttpListener>(new HttpListener(server, port));
}

HttpListener::HttpListener(httplib::Server* server, int port)
    : server_(server), port_(port), thread_([server] { server->listen_after_bind(); }) {
  while (!server_->is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

HttpListener::~HttpListener() {
  server_->stop();
  thread_.join();
}

}  // namespace trimtab
