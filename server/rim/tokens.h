#ifndef TRIMTAB_SERVER_RIM_TOKENS_H_
#define TRIMTAB_SERVER_RIM_TOKENS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "grpcpp/grpcpp.h"

namespace trimtab {

enum class Role {
  kInfer,    // trimtab.v1.Summarizer.
  kPublish,  // trimtab.v1.Parameters, but for Activate.
  kAdmin,    // Everything.
};

// Who may call what: bearer tokens with one role each. Tokens are kept as hashes, compared in constant time, and never
// shown. Immutable; thread-safe.
class Tokens {
 public:
  static constexpr size_t kMinLength = 16;
  static constexpr size_t kMaxLength = 512;

  // Lines "ROLE TOKEN" with ROLE infer, publish or admin; empty lines and those that start with '#' are skipped. Tokens
  // are 16 to 512 visible ASCII characters. InvalidArgument naming the line.
  static absl::StatusOr<Tokens> Parse(absl::string_view text);
  static absl::StatusOr<Tokens> Load(const std::string& path);

  // `authorization` is the value of that header: "Bearer TOKEN". Unauthenticated when it is none or unknown,
  // PermissionDenied when its role does not suffice.
  absl::Status Check(absl::string_view authorization, Role role) const;

 private:
  std::vector<std::pair<std::string, Role>> roles_;  // By hash.
};

// Whether HOST of "HOST:PORT" is an address that only this machine reaches.
bool IsLoopback(absl::string_view address);

// Whether a server that listens on `address` (HOST:PORT) offers what changes it (Parameters, Admin): with tokens, or
// where HOST is a loopback address, since without tokens who reaches it may use it.
bool ServesOperators(const Tokens* tokens, absl::string_view address);

// Whether the caller may. Null: no tokens were given, everybody may.
absl::Status Authorize(const Tokens* tokens, const grpc::CallbackServerContext& context, Role role);

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_TOKENS_H_
