// Which of several servers a call goes to.
#ifndef TRIMTAB_CLIENT_ROUTING_H_
#define TRIMTAB_CLIENT_ROUTING_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace trimtab {

// Indices of `servers` by rendezvous hashing: each server has a weight for `key`, XXH3 of "<key> <server>", and the
// highest comes first. So keys spread evenly, every client agrees, and a server that goes moves only its own keys.
// Pure.
std::vector<size_t> RendezvousOrder(absl::string_view key, const std::vector<std::string>& servers);

// The order of a key, less the servers that failed lately. Knows no network. Thread-safe.
class Routing {
 public:
  // A server that failed is passed over for `pause`. REQUIRES: at least one server.
  Routing(std::vector<std::string> servers, absl::Duration pause);

  // All servers, the preferred first. Without a key each server is preferred in turn, beginning with the first.
  std::vector<size_t> Order(absl::string_view key);

  struct Choice {
    size_t server = 0;
    bool ready = true;  // False: every server failed lately, and this one the longest ago.
  };
  Choice Choose(const std::vector<size_t>& order, absl::Time now) const;
  void Failed(size_t server, absl::Time now);

 private:
  const std::vector<std::string> servers_;
  const absl::Duration pause_;
  mutable absl::Mutex mutex_;
  uint64_t turn_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<absl::Time> paused_until_ ABSL_GUARDED_BY(mutex_);  // By server.
};

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_ROUTING_H_
