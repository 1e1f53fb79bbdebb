#include "client/channel.h"

#include <fstream>

#include "absl/strings/str_cat.h"
#include "client/rich_status.h"
#include "gtest/gtest.h"
#include "tests/testing/certificates.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"
#include "trimtab/v1/summarizer.grpc.pb.h"

namespace trimtab {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;

class ChannelTest : public testing::Test {
 protected:
  ChannelTest() { std::ofstream(folder_.File("ca.pem")) << authority_.certificate(); }
  ~ChannelTest() override {
    if (server_ != nullptr) server_->Shutdown();
  }

  // A server that shows `issued`, whatever it is worth.
  void Start(const Issued& issued) {
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({issued.key, issued.certificate});
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options), &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
  }
  absl::Status Call(const TlsOptions& tls) const {
    const auto stub = v1::Summarizer::NewStub(NewChannel(absl::StrCat("127.0.0.1:", port_), tls, {}));
    grpc::ClientContext context;
    v1::GetModelInfoResponse response;
    return ExplainTls(FromGrpc(stub->GetModelInfo(&context, {}, &response)), tls);
  }

  const TempDir folder_;
  const Authority authority_;
  const TlsOptions trusting_{.ca = folder_.File("ca.pem")};
  v1::Summarizer::Service service_;  // Answers UNIMPLEMENTED.
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(ChannelTest, AnExpiredCertificateIsRefused) {
  Start(authority_.Issue({.end = absl::Now() - absl::Minutes(1)}));
  EXPECT_THAT(Call(trusting_), StatusIs(StatusCode::kUnavailable, HasSubstr("has expired")));
}

TEST_F(ChannelTest, TheSystemsAuthoritiesDoNotVouchForOurs) {
  Start(authority_.Issue());
  EXPECT_THAT(Call(trusting_), StatusIs(StatusCode::kUnimplemented));
  EXPECT_THAT(Call({.enabled = true}), StatusIs(StatusCode::kUnavailable));
}

TEST_F(ChannelTest, AnAddressOfAHostIsHeldToTheHostsName) {
  Start(authority_.Issue({.names = "DNS:trimtab.test"}));
  EXPECT_THAT(Call(TlsTo("127.0.0.1", trusting_)), StatusIs(StatusCode::kUnavailable));
  EXPECT_THAT(Call(TlsTo("trimtab.test", trusting_)), StatusIs(StatusCode::kUnimplemented));
  EXPECT_FALSE(TlsTo("trimtab.test", {}).on());
}

TEST_F(ChannelTest, FilesThatAreNotThereAreTold) {
  const TlsOptions nowhere{.ca = folder_.File("none.pem")};
  EXPECT_THAT(CheckTls(nowhere), StatusIs(StatusCode::kNotFound, HasSubstr("none.pem")));
  EXPECT_FALSE(Call(nowhere).ok());
  EXPECT_THAT(CheckTls({.certificate = folder_.File("ca.pem")}), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_OK(CheckTls(trusting_));
}

}  // namespace
}  // namespace trimtab
