#include "server/rim/certificates.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <ctime>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/status_macros.h"
#include "server/rim/openssl_pointers.h"

namespace trimtab {
namespace {

using ContextPtr = std::unique_ptr<SSL_CTX, OpensslFree<SSL_CTX_free>>;

// Takes the library's last error off its queue.
std::string Reason() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason == nullptr ? "no reason given" : reason;
}

BioPtr Reader(const std::string& pem) { return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))); }

absl::StatusOr<std::vector<X509Ptr>> ParseCertificates(const std::string& pem) {
  const BioPtr reader = Reader(pem);
  std::vector<X509Ptr> certificates;
  while (X509* next = PEM_read_bio_X509(reader.get(), nullptr, nullptr, nullptr)) certificates.emplace_back(next);
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string reason = Reason();
  if (!at_end) return absl::InvalidArgumentError(absl::StrCat("holds a broken certificate: ", reason));
  if (certificates.empty()) return absl::InvalidArgumentError("holds no certificate; expected PEM");
  return certificates;
}

// Nobody is there to ask for a password.
int NoPassword(char*, int, int, void*) { return 0; }

absl::StatusOr<KeyPtr> ParseKey(const std::string& pem) {
  KeyPtr key(PEM_read_bio_PrivateKey(Reader(pem).get(), nullptr, NoPassword, nullptr));
  if (key != nullptr) return key;
  return absl::InvalidArgumentError(absl::StrCat("holds no usable key: ", Reason(), "; expected PEM, not encrypted"));
}

std::optional<absl::Time> TimeOf(const ASN1_TIME* time) {
  std::tm parts = {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return absl::FromTM(parts, absl::UTCTimeZone());
}

absl::StatusOr<absl::Time> CheckValidity(const X509* certificate, absl::Time now) {
  const std::optional<absl::Time> begin = TimeOf(X509_get0_notBefore(certificate));
  const std::optional<absl::Time> end = TimeOf(X509_get0_notAfter(certificate));
  if (!begin || !end) return absl::InvalidArgumentError("the certificate has no readable time of validity");
  if (now < *begin)
    return absl::InvalidArgumentError(
        absl::StrCat("the certificate is not valid before ", absl::FormatTime(*begin, absl::UTCTimeZone())));
  if (now >= *end)
    return absl::InvalidArgumentError(
        absl::StrCat("the certificate expired at ", absl::FormatTime(*end, absl::UTCTimeZone())));
  return *end;
}

// What gRPC will do with them, so that it cannot fail there, where nothing could be kept.
absl::Status Try(const std::vector<X509Ptr>& chain, EVP_PKEY* key) {
  const ContextPtr context(SSL_CTX_new(TLS_server_method()));
  bool taken = context != nullptr && SSL_CTX_use_certificate(context.get(), chain.front().get()) == 1 &&
               SSL_CTX_use_PrivateKey(context.get(), key) == 1 && SSL_CTX_check_private_key(context.get()) == 1;
  for (size_t i = 1; taken && i < chain.size(); ++i)
    taken = SSL_CTX_add1_chain_cert(context.get(), chain[i].get()) == 1;
  if (taken) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the certificate and its key cannot be used: ", Reason()));
}

absl::Status In(absl::string_view what, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(what, " ", status.message()));
}

}  // namespace

absl::StatusOr<absl::Time> CheckCertificates(const Certificates& certificates, absl::Time now) {
  ERR_clear_error();
  const absl::StatusOr<std::vector<X509Ptr>> chain = ParseCertificates(certificates.chain);
  if (!chain.ok()) return In("the certificate's file", chain.status());
  const absl::StatusOr<KeyPtr> key = ParseKey(certificates.key);
  if (!key.ok()) return In("the key's file", key.status());
  if (X509_check_private_key(chain->front().get(), key->get()) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError("the key does not belong to the certificate");
  }
  RETURN_IF_ERROR(Try(*chain, key->get()));
  if (!certificates.client_ca.empty()) {
    const auto authorities = ParseCertificates(certificates.client_ca);
    if (!authorities.ok()) return In("the file of clients' authorities", authorities.status());
  }
  return CheckValidity(chain->front().get(), now);
}

}  // namespace trimtab
