// Certificates made on the spot, since those that are kept expire.
#ifndef TRIMTAB_TESTS_TESTING_CERTIFICATES_H_
#define TRIMTAB_TESTS_TESTING_CERTIFICATES_H_

#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace trimtab {

// PEM.
struct Issued {
  std::string certificate;
  std::string key;
};

struct CertificateOptions {
  std::string names = "DNS:localhost,IP:127.0.0.1";
  absl::Time begin = absl::Now() - absl::Hours(1);
  absl::Time end = absl::Now() + absl::Hours(24);
};

// Signs certificates of keys that it makes (P-256). Each has another serial number.
class Authority {
 public:
  explicit Authority(const std::string& name = "Authority of a test");
  ~Authority();
  const std::string& certificate() const;
  Issued Issue(const CertificateOptions& options = {}) const;

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace trimtab

#endif  // TRIMTAB_TESTS_TESTING_CERTIFICATES_H_
