#ifndef TRIMTAB_CLIENT_ENDPOINTS_H_
#define TRIMTAB_CLIENT_ENDPOINTS_H_

#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trimtab {

// All addresses that the host of "HOST:PORT" resolves to, as "ADDRESS:PORT" ("[ADDRESS]:PORT" for IPv6), none twice, in
// the order of the resolver. InvalidArgument for a name that is no HOST:PORT, Unavailable when it does not resolve.
absl::StatusOr<std::vector<std::string>> ResolveEndpoints(absl::string_view name);

struct Endpoints {
  std::vector<std::string> addresses;
  std::map<std::string, std::string> hosts;  // By address: the host that led to it.
};

// The addresses of all names.
absl::StatusOr<Endpoints> ResolveAll(std::span<const std::string> names);

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_ENDPOINTS_H_
