#ifndef TRIMTAB_COMMON_HTTP_LISTENER_H_
#define TRIMTAB_COMMON_HTTP_LISTENER_H_

#include <httplib.h>

#include <cstddef>
#include <memory>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trimtab {

// Has an httplib::Server listen and serve on threads of its own until destroyed, which waits for what is under way.
class HttpListener {
 public:
  struct Options {
    absl::string_view address;     // HOST:PORT, or [HOST]:PORT for IPv6; port 0 takes a free one.
    absl::string_view name = "";   // Of the option that says so, for errors.
    size_t most_connections = 16;  // Served at once, a thread each; more wait for their turn.
  };

  // `server` has its handlers already and outlives the result. Accepts on return. Unavailable when the address cannot
  // be bound, in use by another listener included.
  static absl::StatusOr<std::unique_ptr<HttpListener>> Start(const Options& options, httplib::Server* server);
  ~HttpListener();
  HttpListener(const HttpListener&) = delete;
  HttpListener& operator=(const HttpListener&) = delete;

  int port() const { return port_; }

 private:
  HttpListener(httplib::Server* server, int port);

  httplib::Server* const server_;
  const int port_;
  std::thread thread_;
};

}  // namespace trimtab

#endif  // TRIMTAB_COMMON_HTTP_LISTENER_H_
