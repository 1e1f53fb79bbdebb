#ifndef TRIMTAB_CLIENT_ENDPOINTS_H_
#define TRIMTAB_CLIENT_ENDPOINTS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trimtab {

// All addresses that the host of "HOST:PORT" resolves to, as "ADDRESS:PORT" ("[ADDRESS]:PORT" for IPv6), none twice, in
// the order of the resolver. InvalidArgument for a name that is no HOST:PORT, Unavailable when it does not resolve.
absl::StatusOr<std::vector<std::string>> ResolveEndpoints(absl::string_view name);

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_ENDPOINTS_H_
