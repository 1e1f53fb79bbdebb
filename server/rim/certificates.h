#ifndef TRIMTAB_SERVER_RIM_CERTIFICATES_H_
#define TRIMTAB_SERVER_RIM_CERTIFICATES_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace trimtab {

// What a server needs for TLS, as PEM.
struct Certificates {
  std::string chain;           // Its own certificate first, then those that lead to its authority.
  std::string key;             // Of its own certificate, not encrypted.
  std::string client_ca = "";  // Authorities of clients' certificates; empty: clients need none.

  bool operator==(const Certificates&) const = default;
};

// Whether connections can be made with them: all parse, the key belongs to the certificate, the library takes both, and
// the certificate is valid at `now`. Returns when it ends to be. InvalidArgument says what is wrong, never with what
// the key holds. Pure.
absl::StatusOr<absl::Time> CheckCertificates(const Certificates& certificates, absl::Time now);

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_CERTIFICATES_H_
