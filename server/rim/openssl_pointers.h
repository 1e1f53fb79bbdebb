// OpenSSL's objects with an owner.
#ifndef TRIMTAB_SERVER_RIM_OPENSSL_POINTERS_H_
#define TRIMTAB_SERVER_RIM_OPENSSL_POINTERS_H_

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>

namespace trimtab {

// Lets go of an object with the library's function for its type.
template <auto free>
struct OpensslFree {
  template <typename T>
  void operator()(T* object) const {
    free(object);
  }
};
using BioPtr = std::unique_ptr<BIO, OpensslFree<BIO_free>>;
using X509Ptr = std::unique_ptr<X509, OpensslFree<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, OpensslFree<EVP_PKEY_free>>;

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_OPENSSL_POINTERS_H_
