#ifndef TRIMTAB_MODEL_DIGEST_H_
#define TRIMTAB_MODEL_DIGEST_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace trimtab {

// SHA-256 over bytes given piece by piece. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void Update(absl::string_view bytes);
  std::string HexDigest();  // Lower case. Call once, last.

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

// Whether `text` is `length` lower-case hex digits.
bool IsHex(absl::string_view text, size_t length);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_DIGEST_H_
