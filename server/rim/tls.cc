#include "server/rim/tls.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "model/mapped_file.h"
#include "model/status_macros.h"
#include "spdlog/spdlog.h"

namespace trimtab {
namespace {

constexpr size_t kMaxFileBytes = 1 << 20;
constexpr unsigned kRefreshSeconds = 1;  // The least that gRPC offers.

absl::StatusOr<Certificates> Read(const TlsFiles& files) {
  Certificates read;
  ASSIGN_OR_RETURN(read.chain, ReadNamedFile(files.certificate, kMaxFileBytes));
  ASSIGN_OR_RETURN(read.key, ReadNamedFile(files.key, kMaxFileBytes));
  if (!files.client_ca.empty()) {
    ASSIGN_OR_RETURN(read.client_ca, ReadNamedFile(files.client_ca, kMaxFileBytes));
  }
  return read;
}

absl::StatusOr<absl::Time> Check(const Certificates& certificates, const TlsFiles& files, absl::Time now) {
  absl::StatusOr<absl::Time> expiry = CheckCertificates(certificates, now);
  if (expiry.ok()) return expiry;
  return absl::Status(expiry.status().code(), absl::StrCat("TLS with ", files.certificate, " and ", files.key, ": ",
                                                           expiry.status().message()));
}

// One file of both: gRPC reads the path twice, and compares times of modification to see that nothing came between.
std::string IdentityOf(const Certificates& certificates) {
  return absl::StrCat(certificates.key, "\n", certificates.chain);
}

std::shared_ptr<grpc::ServerCredentials> NewCredentials(const SwappedFile& identity, const SwappedFile* client_ca) {
  using grpc::experimental::FileWatcherCertificateProvider;
  grpc::experimental::TlsServerCredentialsOptions options(std::make_shared<FileWatcherCertificateProvider>(
      identity.path(), identity.path(), client_ca == nullptr ? "" : client_ca->path(), kRefreshSeconds));
  options.watch_identity_key_cert_pairs();
  if (client_ca != nullptr) {
    options.watch_root_certs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return grpc::experimental::TlsServerCredentials(options);
}

}  // namespace

TlsFiles TlsFilesOf(const ServerOptions& options) {
  return {.certificate = options.tls_certificate, .key = options.tls_key, .client_ca = options.tls_client_ca};
}

absl::StatusOr<Certificates> LoadCertificates(const TlsFiles& files, absl::Time now) {
  ASSIGN_OR_RETURN(Certificates certificates, Read(files));
  RETURN_IF_ERROR(Check(certificates, files, now).status());
  return certificates;
}

Tls::Tls(TlsFiles files, Metrics* metrics, Certificates taken, SwappedFile identity,
         std::optional<SwappedFile> client_ca)
    : files_(std::move(files)),
      metrics_(metrics),
      taken_(std::move(taken)),
      identity_(std::move(identity)),
      client_ca_(std::move(client_ca)),
      credentials_(NewCredentials(identity_, client_ca_.has_value() ? &*client_ca_ : nullptr)) {}

absl::StatusOr<std::unique_ptr<Tls>> Tls::Start(TlsFiles files, Metrics* metrics, std::chrono::milliseconds interval) {
  ASSIGN_OR_RETURN(Certificates certificates, Read(files));
  ASSIGN_OR_RETURN(const absl::Time expiry, Check(certificates, files, absl::Now()));
  ASSIGN_OR_RETURN(SwappedFile identity, SwappedFile::Create(IdentityOf(certificates)));
  std::optional<SwappedFile> client_ca;
  if (!files.client_ca.empty()) {
    ASSIGN_OR_RETURN(SwappedFile created, SwappedFile::Create(certificates.client_ca));
    client_ca.emplace(std::move(created));
  }
  metrics->tls_expiry.Set(static_cast<double>(absl::ToUnixSeconds(expiry)));
  std::unique_ptr<Tls> tls(
      new Tls(std::move(files), metrics, std::move(certificates), std::move(identity), std::move(client_ca)));
  tls->LookAgainIn(interval);
  return tls;
}

void Tls::LookAgainIn(std::chrono::milliseconds interval) {
  thread_.SetAlarm(std::chrono::steady_clock::now() + interval, [this, interval] {
    Look();
    LookAgainIn(interval);
  });
}

void Tls::Look() {
  const absl::Status status = Follow();
  if (status.ok()) {
    fault_.clear();
  } else if (status.message() != fault_) {
    fault_ = std::string(status.message());
    metrics_->tls_refused.Increment();
    spdlog::error("{}; the certificate from before stays", fault_);
  }
}

absl::Status Tls::Follow() {
  ASSIGN_OR_RETURN(Certificates next, Read(files_));
  if (next == taken_) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Certificates again, Read(files_));
  if (again != next) return absl::OkStatus();  // They are being replaced: the next look sees them whole.
  ASSIGN_OR_RETURN(const absl::Time expiry, Check(next, files_, absl::Now()));
  RETURN_IF_ERROR(identity_.Swap(IdentityOf(next)));
  if (client_ca_.has_value()) RETURN_IF_ERROR(client_ca_->Swap(next.client_ca));
  taken_ = std::move(next);
  metrics_->tls_taken.Increment();
  metrics_->tls_expiry.Set(static_cast<double>(absl::ToUnixSeconds(expiry)));
  spdlog::info("new connections get the certificate of {} that is valid until {}", files_.certificate,
               absl::FormatTime(expiry, absl::UTCTimeZone()));
  return absl::OkStatus();
}

}  // namespace trimtab
