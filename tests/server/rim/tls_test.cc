#include "server/rim/tls.h"

#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/parameters_client.h"
#include "client/summarizer_client.h"
#include "tests/server/rim/server_fixture.h"
#include "tests/testing/certificates.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

class TlsTest : public ServerFixture {
 protected:
  TlsTest() {
    Write("ca.pem", authority_.certificate());
    Write("other-ca.pem", other_.certificate());
    Put(authority_.Issue());
  }

  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_.File(name + ".new"), std::ios::binary) << text;
    std::filesystem::rename(folder_.File(name + ".new"), folder_.File(name));
  }
  void Put(const Issued& issued) const {
    Write("key.pem", issued.key);
    Write("cert.pem", issued.certificate);
  }
  TlsFiles Files() const { return {.certificate = folder_.File("cert.pem"), .key = folder_.File("key.pem")}; }
  ServerOptions TlsOptionsOfServer() const {
    ServerOptions options = Options("");
    options.tls_certificate = Files().certificate;
    options.tls_key = Files().key;
    return options;
  }
  TlsOptions Trusting(const std::string& ca) const { return {.ca = folder_.File(ca)}; }
  // What a client that tries once gets.
  absl::Status Ask(const TlsOptions& tls) const {
    return SummarizerClient(server_->grpc_address(), {.max_attempts = 1, .tls = tls}).GetModelInfo().status();
  }

  const TempDir folder_;
  const Authority authority_, other_{"Another authority"};
};

TEST_F(TlsTest, WhoTrustsTheAuthorityIsServed) {
  Start(TlsOptionsOfServer());
  EXPECT_OK(Ask(Trusting("ca.pem")));
  EXPECT_OK(ParametersClient(server_->grpc_address(), {.tls = Trusting("ca.pem")}).ListVersions());
  EXPECT_GT(Metric("trimtab_tls_certificate_expiry_timestamp_seconds"), absl::ToUnixSeconds(absl::Now()));
}

TEST_F(TlsTest, EachSideWithoutTlsIsTold) {
  Start(TlsOptionsOfServer());
  EXPECT_THAT(Ask({}), StatusIs(StatusCode::kUnavailable, HasSubstr("say so: --tls")));
  Stop();
  Start(Options(""));
  EXPECT_THAT(Ask(Trusting("ca.pem")), StatusIs(StatusCode::kUnavailable, HasSubstr("does not speak TLS")));
}

TEST_F(TlsTest, WrongAuthoritiesAndNamesAreTold) {
  Put(authority_.Issue({.names = "DNS:trimtab.test"}));
  Start(TlsOptionsOfServer());
  EXPECT_THAT(Ask(Trusting("other-ca.pem")), StatusIs(StatusCode::kUnavailable, HasSubstr("not in --tls-ca")));
  EXPECT_THAT(Ask(Trusting("ca.pem")), StatusIs(StatusCode::kUnavailable, HasSubstr("--tls-server-name")));
  TlsOptions named = Trusting("ca.pem");
  named.server_name = "trimtab.test";
  EXPECT_OK(Ask(named));
}

TEST_F(TlsTest, WhereClientsNeedCertificatesOnlyThoseOfTheirAuthorityAreServed) {
  ServerOptions options = TlsOptionsOfServer();
  options.tls_client_ca = folder_.File("other-ca.pem");
  Start(options);
  const Issued good = other_.Issue(), foreign = authority_.Issue();
  const auto showing = [&](const Issued& issued) {
    Write("client.pem", issued.certificate);
    Write("client-key.pem", issued.key);
    TlsOptions tls = Trusting("ca.pem");
    tls.certificate = folder_.File("client.pem");
    tls.key = folder_.File("client-key.pem");
    return tls;
  };
  EXPECT_OK(Ask(showing(good)));
  EXPECT_THAT(Ask(showing(foreign)), StatusIs(StatusCode::kUnavailable));
  EXPECT_THAT(Ask(showing(other_.Issue({.end = absl::Now() - absl::Minutes(1)}))), StatusIs(StatusCode::kUnavailable));
  EXPECT_THAT(Ask(Trusting("ca.pem")), StatusIs(StatusCode::kUnavailable, HasSubstr("--tls-certificate")));
}

TEST_F(TlsTest, FilesThatCannotBeUsedDoNotStart) {
  const auto fault = [&] { return LoadCertificates(Files(), absl::Now()).status(); };
  EXPECT_OK(fault());
  Write("key.pem", other_.Issue().key);
  EXPECT_THAT(fault(), StatusIs(StatusCode::kInvalidArgument,
                                AllOf(HasSubstr(Files().key), HasSubstr("the key does not belong"))));
  ServerOptions options = TlsOptionsOfServer();
  options.model = "/no/model";  // Certificates are looked at first.
  EXPECT_THAT(Server::Start(options), StatusIs(StatusCode::kInvalidArgument, HasSubstr("the key does not belong")));
  std::filesystem::remove(Files().key);
  EXPECT_THAT(fault(), StatusIs(StatusCode::kNotFound, HasSubstr(Files().key)));
}

class Answering : public v1::Summarizer::Service {
  grpc::Status GetModelInfo(grpc::ServerContext*, const v1::GetModelInfoRequest*, v1::GetModelInfoResponse*) override {
    return grpc::Status::OK;
  }
};

// A server that only answers, whose files are looked at all the time.
class TlsReloadTest : public TlsTest {
 protected:
  void StartAnswering() {
    ASSERT_OK_AND_ASSIGN(tls_, Tls::Start(Files(), &metrics_, 5ms));
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", tls_->credentials(), &port_);
    builder.RegisterService(&service_);
    answering_ = builder.BuildAndStart();
  }
  ~TlsReloadTest() override {
    if (answering_ != nullptr) answering_->Shutdown();
  }

  // A call on a connection of its own; the server's certificate, or what went wrong.
  std::string Seen() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto channel = trimtab::NewChannel(absl::StrCat("127.0.0.1:", port_), Trusting("ca.pem"), arguments);
    grpc::ClientContext context;
    const grpc::Status status = Call(channel, &context);
    if (!status.ok()) return status.error_message();
    const auto certificates = context.auth_context()->FindPropertyValues("x509_pem_cert");
    return certificates.empty() ? "no certificate" : std::string(certificates[0].data(), certificates[0].size());
  }

  static grpc::Status Call(const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext* context) {
    v1::GetModelInfoResponse response;
    return v1::Summarizer::NewStub(channel)->GetModelInfo(context, {}, &response);
  }

  void AwaitRefusals(double count) const {
    while (metrics_.tls_refused.Value() < count) std::this_thread::yield();
  }

  prometheus::Registry registry_;
  Metrics metrics_{registry_};
  std::unique_ptr<Tls> tls_;
  int port_ = 0;
  Answering service_;
  std::unique_ptr<grpc::Server> answering_;
};

TEST_F(TlsReloadTest, RotationUnderLoadFailsNoRequest) {
  Issued current = authority_.Issue();
  Put(current);
  ASSERT_NO_FATAL_FAILURE(StartAnswering());
  EXPECT_EQ(Seen(), current.certificate);
  const auto kept = trimtab::NewChannel(absl::StrCat("127.0.0.1:", port_), Trusting("ca.pem"), {});
  for (int rotation = 0; rotation < 2; ++rotation) {
    const Issued next = authority_.Issue();
    Put(next);  // Key first: for a moment the two do not belong together.
    int calls = 0;
    for (std::string seen; seen != next.certificate; ++calls) {
      seen = Seen();
      ASSERT_TRUE(seen == current.certificate || seen == next.certificate) << seen;
    }
    grpc::ClientContext context;
    EXPECT_TRUE(Call(kept, &context).ok());
    EXPECT_EQ(Seen(), next.certificate);
    EXPECT_GT(calls, 1);
    current = next;
  }
  EXPECT_EQ(metrics_.tls_taken.Value(), 2);
}

TEST_F(TlsReloadTest, ABadNewCertificateLeavesTheOldOne) {
  const Issued good = authority_.Issue();
  Put(good);
  ASSERT_NO_FATAL_FAILURE(StartAnswering());
  double refusals = 0;
  const auto expect_refused = [&](const std::string& name, const std::string& text) {
    Write(name, text);
    AwaitRefusals(++refusals);
    EXPECT_EQ(Seen(), good.certificate);
  };
  expect_refused("cert.pem", "garbage");
  expect_refused("cert.pem", authority_.Issue().certificate);
  expect_refused("key.pem", "garbage");
  std::filesystem::remove(Files().certificate);
  AwaitRefusals(++refusals);
  const Issued expired = authority_.Issue({.end = absl::Now() - absl::Minutes(1)});
  Write("key.pem", expired.key);
  expect_refused("cert.pem", expired.certificate);
  EXPECT_EQ(metrics_.tls_taken.Value(), 0);
}

// As Kubernetes does: files are links into a link to a folder, and the latter is replaced.
TEST_F(TlsReloadTest, AFolderSwappedBehindLinksIsNoticed) {
  const auto fill = [&](const std::string& version, const Issued& issued) {
    std::filesystem::create_directory(folder_.File(version));
    Write(version + "/key.pem", issued.key);
    Write(version + "/cert.pem", issued.certificate);
    std::filesystem::create_directory_symlink(version, folder_.File("..next"));
    std::filesystem::rename(folder_.File("..next"), folder_.File("..data"));
  };
  fill("..one", authority_.Issue());
  for (const std::string name : {"cert.pem", "key.pem"}) {
    std::filesystem::remove(folder_.File(name));
    std::filesystem::create_symlink("..data/" + name, folder_.File(name));
  }
  ASSERT_NO_FATAL_FAILURE(StartAnswering());
  const Issued next = authority_.Issue();
  fill("..two", next);
  while (metrics_.tls_taken.Value() < 1) std::this_thread::yield();
  while (Seen() != next.certificate) {
  }
  EXPECT_EQ(metrics_.tls_refused.Value(), 0);
}

}  // namespace
}  // namespace trimtab
