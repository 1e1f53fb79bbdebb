#include "server/rim/tokens.h"

#include <arpa/inet.h>

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "model/digest.h"
#include "model/mapped_file.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

constexpr size_t kMaxFileBytes = 1 << 20;

std::string HashOf(absl::string_view token) {
  Sha256 hash;
  hash.Update(token);
  return hash.HexDigest();
}

// Takes as long for any two hashes.
bool Equal(absl::string_view a, absl::string_view b) {
  unsigned char difference = a.size() != b.size();
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}

std::optional<Role> RoleNamed(absl::string_view name) {
  if (name == "infer") return Role::kInfer;
  if (name == "publish") return Role::kPublish;
  if (name == "admin") return Role::kAdmin;
  return std::nullopt;
}

}  // namespace

absl::StatusOr<Tokens> Tokens::Parse(absl::string_view text) {
  Tokens tokens;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#') continue;
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits(absl::ByAnyChar(" \t"), 1));
    const absl::string_view token = absl::StripAsciiWhitespace(parts.second);
    const std::optional<Role> role = RoleNamed(parts.first);
    const bool visible = std::all_of(token.begin(), token.end(), [](char c) { return absl::ascii_isgraph(c); });
    if (!role.has_value() || !visible || token.size() < kMinLength || token.size() > kMaxLength) {
      return absl::InvalidArgumentError(absl::StrCat("line ", number,
                                                     " is not ROLE TOKEN; expected infer, publish or "
                                                     "admin and ",
                                                     kMinLength, " to ", kMaxLength, " visible characters"));
    }
    tokens.roles_.emplace_back(HashOf(token), *role);
  }
  if (tokens.roles_.empty()) return absl::InvalidArgumentError("there is no token; expected lines ROLE TOKEN");
  return tokens;
}

absl::StatusOr<Tokens> Tokens::Load(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadNamedFile(path, kMaxFileBytes));
  absl::StatusOr<Tokens> tokens = Parse(text);
  if (tokens.ok()) return tokens;
  return absl::InvalidArgumentError(absl::StrCat("tokens ", path, ": ", tokens.status().message()));
}

absl::Status Tokens::Check(absl::string_view authorization, Role role) const {
  if (!absl::StartsWithIgnoreCase(authorization, "bearer ")) {
    return absl::UnauthenticatedError("the metadata has no authorization; expected \"Bearer TOKEN\"");
  }
  const std::string hash = HashOf(absl::StripAsciiWhitespace(authorization.substr(7)));
  std::optional<Role> found;
  for (const auto& [known, its_role] : roles_) {
    if (Equal(hash, known)) found = its_role;
  }
  if (!found.has_value()) return absl::UnauthenticatedError("the token is not known to this server");
  if (*found == Role::kAdmin || *found == role) return absl::OkStatus();
  return absl::PermissionDeniedError("the role of the token does not allow this call");
}

bool IsLoopback(absl::string_view address) {
  const std::string host(address.substr(0, address.rfind(':')));
  in_addr ip;
  if (inet_pton(AF_INET, host.c_str(), &ip) == 1) return ntohl(ip.s_addr) >> 24 == 127;
  return host == "localhost" || host == "[::1]";
}

bool ServesOperators(const Tokens* tokens, absl::string_view address) {
  return tokens != nullptr || IsLoopback(address);
}

absl::Status Authorize(const Tokens* tokens, const grpc::CallbackServerContext& context, Role role) {
  if (tokens == nullptr) return absl::OkStatus();
  const auto found = context.client_metadata().find("authorization");
  if (found == context.client_metadata().end()) return tokens->Check("", role);
  return tokens->Check(absl::string_view(found->second.data(), found->second.size()), role);
}

}  // namespace trimtab
