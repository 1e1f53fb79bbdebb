#include "server/rim/certificates.h"

#include "gtest/gtest.h"
#include "tests/testing/certificates.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;
using ::testing::Not;

class CertificatesTest : public testing::Test {
 protected:
  static Certificates Of(const Issued& issued) { return {.chain = issued.certificate, .key = issued.key}; }
  void ExpectFault(const Certificates& certificates, const std::string& fault) {
    EXPECT_THAT(CheckCertificates(certificates, absl::Now()), StatusIs(StatusCode::kInvalidArgument, HasSubstr(fault)));
  }

  const Authority authority_;
  const Issued issued_ = authority_.Issue();
};

TEST_F(CertificatesTest, APairIsGoodUntilItExpires) {
  const absl::Time end = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()) + 3600);
  const Certificates pair = Of(authority_.Issue({.end = end}));
  ASSERT_OK_AND_ASSIGN(const absl::Time expiry, CheckCertificates(pair, absl::Now()));
  EXPECT_EQ(expiry, end);
  EXPECT_OK(CheckCertificates(pair, end - absl::Seconds(1)));
  EXPECT_THAT(CheckCertificates(pair, end), StatusIs(StatusCode::kInvalidArgument, HasSubstr("expired at")));
  EXPECT_THAT(CheckCertificates(pair, absl::Now() - absl::Hours(2)),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("not valid before")));
}

TEST_F(CertificatesTest, AChainAndAuthoritiesOfClientsAreTaken) {
  EXPECT_OK(CheckCertificates({.chain = issued_.certificate + authority_.certificate(),
                               .key = issued_.key,
                               .client_ca = authority_.certificate() + Authority("another").certificate()},
                              absl::Now()));
}

TEST_F(CertificatesTest, AForeignKeyIsNamed) {
  ExpectFault({.chain = issued_.certificate, .key = authority_.Issue().key}, "the key does not belong");
  // Where the authority comes first, the key is not of the first certificate.
  ExpectFault({.chain = authority_.certificate() + issued_.certificate, .key = issued_.key}, "the key does not belong");
}

TEST_F(CertificatesTest, WhatIsNotPemIsNamedAndNotShown) {
  ExpectFault({.chain = "", .key = issued_.key}, "the certificate's file holds no certificate");
  ExpectFault({.chain = "garbage", .key = issued_.key}, "the certificate's file holds no certificate");
  ExpectFault({.chain = issued_.key, .key = issued_.key}, "the certificate's file holds no certificate");
  std::string broken = issued_.certificate;
  broken.replace(60, 8, "AAAAAAAA");
  ExpectFault({.chain = broken, .key = issued_.key}, "the certificate's file holds a broken certificate");
  ExpectFault({.chain = issued_.certificate + broken, .key = issued_.key}, "holds a broken certificate");
  ExpectFault({.chain = issued_.certificate, .key = issued_.certificate}, "the key's file holds no usable key");
  const absl::Status status =
      CheckCertificates({.chain = issued_.certificate, .key = "a secret"}, absl::Now()).status();
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("secret")));
  ExpectFault({.chain = issued_.certificate, .key = issued_.key, .client_ca = "garbage"},
              "the file of clients' authorities holds no certificate");
}

}  // namespace
}  // namespace trimtab
