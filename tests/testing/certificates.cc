#include "tests/testing/certificates.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>

#include "server/rim/openssl_pointers.h"

namespace trimtab {
namespace {

template <typename Write>
std::string Pem(Write write) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  write(out.get());
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return std::string(text, static_cast<size_t>(size));
}

std::string PemOf(X509* certificate) {
  return Pem([&](BIO* out) { PEM_write_bio_X509(out, certificate); });
}
std::string PemOf(EVP_PKEY* key) {
  return Pem([&](BIO* out) { PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr); });
}

void Extend(X509* certificate, int kind, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// All but the signature.
X509Ptr NewCertificate(EVP_PKEY* key, const std::string& name, const CertificateOptions& options) {
  static std::atomic<long> serial = 1;
  X509Ptr certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial++);
  ASN1_TIME_set(X509_getm_notBefore(certificate.get()), absl::ToTimeT(options.begin));
  ASN1_TIME_set(X509_getm_notAfter(certificate.get()), absl::ToTimeT(options.end));
  X509_set_pubkey(certificate.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  return certificate;
}

}  // namespace

struct Authority::Impl {
  KeyPtr key;
  X509Ptr certificate;
  std::string pem;
};

Authority::Authority(const std::string& name) : impl_(std::make_unique<Impl>()) {
  impl_->key = KeyPtr(EVP_EC_gen("P-256"));
  impl_->certificate = NewCertificate(impl_->key.get(), name, {});
  X509_set_issuer_name(impl_->certificate.get(), X509_get_subject_name(impl_->certificate.get()));
  Extend(impl_->certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  X509_sign(impl_->certificate.get(), impl_->key.get(), EVP_sha256());
  impl_->pem = PemOf(impl_->certificate.get());
}

Authority::~Authority() = default;

const std::string& Authority::certificate() const { return impl_->pem; }

Issued Authority::Issue(const CertificateOptions& options) const {
  const KeyPtr key(EVP_EC_gen("P-256"));
  const X509Ptr certificate = NewCertificate(key.get(), "issued", options);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(impl_->certificate.get()));
  Extend(certificate.get(), NID_subject_alt_name, options.names);
  X509_sign(certificate.get(), impl_->key.get(), EVP_sha256());
  return {.certificate = PemOf(certificate.get()), .key = PemOf(key.get())};
}

}  // namespace trimtab
