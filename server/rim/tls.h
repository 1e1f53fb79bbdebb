#ifndef TRIMTAB_SERVER_RIM_TLS_H_
#define TRIMTAB_SERVER_RIM_TLS_H_

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "server/job_thread.h"
#include "server/metrics.h"
#include "server/rim/certificates.h"
#include "server/rim/options.h"
#include "server/rim/swapped_file.h"

namespace trimtab {

// Paths of PEM files. Symbolic links are followed, as Kubernetes mounts secrets behind them.
struct TlsFiles {
  std::string certificate;
  std::string key;
  std::string client_ca = "";  // Empty: clients need no certificate.
};

TlsFiles TlsFilesOf(const ServerOptions& options);

// What the files hold now, checked. NotFound or InvalidArgument names the file or says what is wrong.
absl::StatusOr<Certificates> LoadCertificates(const TlsFiles& files, absl::Time now);

// Server credentials that follow their files. Files that changed are checked, and new connections get what they hold
// within a second or so; those that run go on as they are. Files that cannot be used are counted and logged once, and
// the certificates from before stay. Thread-safe.
class Tls {
 public:
  // As LoadCertificates; Unavailable where the system has no room. `metrics` must outlive the result. `interval` is
  // that between two looks at the files.
  static absl::StatusOr<std::unique_ptr<Tls>> Start(TlsFiles files, Metrics* metrics,
                                                    std::chrono::milliseconds interval = std::chrono::seconds(5));

  // This must outlive the servers that use them.
  const std::shared_ptr<grpc::ServerCredentials>& credentials() const { return credentials_; }

 private:
  Tls(TlsFiles files, Metrics* metrics, Certificates taken, SwappedFile identity, std::optional<SwappedFile> client_ca);

  void LookAgainIn(std::chrono::milliseconds interval);
  void Look();
  absl::Status Follow();  // Takes what the files hold, where that is new.

  const TlsFiles files_;
  Metrics* const metrics_;
  // Only for the thread, once it runs.
  Certificates taken_;
  std::string fault_;                     // Of the last look; empty: none.
  SwappedFile identity_;                  // Key and chain.
  std::optional<SwappedFile> client_ca_;  // None: clients need no certificate.
  std::shared_ptr<grpc::ServerCredentials> credentials_;
  JobThread thread_{JobThread::Priority::kNormal};  // Last: it uses the rest.
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_TLS_H_
