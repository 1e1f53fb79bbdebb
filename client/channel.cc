#include "client/channel.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "model/mapped_file.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

constexpr size_t kMaxFileBytes = 4 << 20;  // Bundles of all public authorities have a quarter of that.

absl::StatusOr<grpc::SslCredentialsOptions> Load(const TlsOptions& tls) {
  if (tls.certificate.empty() != tls.key.empty()) {
    return absl::InvalidArgumentError("a certificate to show needs its key, and a key its certificate; one is missing");
  }
  grpc::SslCredentialsOptions loaded;
  if (!tls.ca.empty()) {
    ASSIGN_OR_RETURN(loaded.pem_root_certs, ReadNamedFile(tls.ca, kMaxFileBytes));
  }
  if (!tls.certificate.empty()) {
    ASSIGN_OR_RETURN(loaded.pem_cert_chain, ReadNamedFile(tls.certificate, kMaxFileBytes));
    ASSIGN_OR_RETURN(loaded.pem_private_key, ReadNamedFile(tls.key, kMaxFileBytes));
  }
  return loaded;
}

// What gRPC says of a connection that did not come about, and what is to be done.
absl::string_view HintOf(absl::string_view message, bool on) {
  const auto says = [message](absl::string_view what) { return absl::StrContains(message, what); };
  if (!says("failed to connect")) return "";
  const bool hung_up = says("Socket closed") || says("Connection reset") || says("Broken pipe");
  if (!on && hung_up) return "if the server speaks TLS, say so: --tls, or --tls-ca FILE for an authority of your own";
  if (says("wrong version number")) return "the server does not speak TLS: leave --tls and the like out";
  if (says("certificate verify failed")) {
    return "the server's certificate has expired, or is of an authority that is not in --tls-ca";
  }
  if (says("not in peer certificate")) {
    return "the server's certificate is for another name: call it by that, or give the name with --tls-server-name";
  }
  return hung_up ? "the server may want a certificate: --tls-certificate and --tls-key, of an authority it trusts" : "";
}

}  // namespace

absl::Status CheckTls(const TlsOptions& tls) { return Load(tls).status(); }

TlsOptions TlsTo(const std::string& host, TlsOptions tls) {
  if (tls.on() && tls.server_name.empty()) tls.server_name = host;
  return tls;
}

std::shared_ptr<grpc::Channel> NewChannel(const std::string& server, const TlsOptions& tls,
                                          grpc::ChannelArguments arguments) {
  if (!tls.on()) return grpc::CreateCustomChannel(server, grpc::InsecureChannelCredentials(), arguments);
  if (!tls.server_name.empty()) arguments.SetSslTargetNameOverride(tls.server_name);
  const auto loaded = Load(tls);
  // Without credentials gRPC makes a channel on which every call fails.
  return grpc::CreateCustomChannel(server, loaded.ok() ? grpc::SslCredentials(*loaded) : nullptr, arguments);
}

absl::Status ExplainTls(const absl::Status& status, const TlsOptions& tls) {
  if (!absl::IsUnavailable(status)) return status;
  const absl::string_view hint = HintOf(status.message(), tls.on());
  if (hint.empty()) return status;
  absl::Status explained(status.code(), absl::StrCat(status.message(), "; ", hint));
  status.ForEachPayload(
      [&](absl::string_view type, const absl::Cord& payload) { explained.SetPayload(type, payload); });
  return explained;
}

}  // namespace trimtab
