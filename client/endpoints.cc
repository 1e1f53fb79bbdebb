#include "client/endpoints.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

// REQUIRES: there is a colon.
std::string HostOf(absl::string_view name) {
  return std::string(absl::StripSuffix(absl::StripPrefix(name.substr(0, name.rfind(':')), "["), "]"));
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ResolveEndpoints(absl::string_view name) {
  const size_t colon = name.rfind(':');
  if (colon == absl::string_view::npos || colon == 0 || colon + 1 == name.size()) {
    return absl::InvalidArgumentError(absl::StrCat("'", name, "' is no address; expected HOST:PORT"));
  }
  const std::string host = HostOf(name);
  const std::string port(name.substr(colon + 1));
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found); error != 0) {
    return absl::UnavailableError(absl::StrCat(name, " does not resolve: ", gai_strerror(error)));
  }
  const absl::Cleanup free_found = [found] { freeaddrinfo(found); };
  std::vector<std::string> endpoints;
  for (const addrinfo* next = found; next != nullptr; next = next->ai_next) {
    char address[NI_MAXHOST], number[NI_MAXSERV];
    if (getnameinfo(next->ai_addr, next->ai_addrlen, address, sizeof(address), number, sizeof(number),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
      continue;
    }
    const std::string endpoint =
        next->ai_family == AF_INET6 ? absl::StrCat("[", address, "]:", number) : absl::StrCat(address, ":", number);
    if (std::find(endpoints.begin(), endpoints.end(), endpoint) == endpoints.end()) endpoints.push_back(endpoint);
  }
  return endpoints;
}

absl::StatusOr<Endpoints> ResolveAll(std::span<const std::string> names) {
  Endpoints all;
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(const std::vector<std::string> found, ResolveEndpoints(name));
    all.addresses.insert(all.addresses.end(), found.begin(), found.end());
    for (const std::string& address : found) all.hosts.emplace(address, HostOf(name));
  }
  return all;
}

}  // namespace trimtab
