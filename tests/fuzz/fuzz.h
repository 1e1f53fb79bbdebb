// What the fuzz targets share.
#ifndef TRIMTAB_TESTS_FUZZ_FUZZ_H_
#define TRIMTAB_TESTS_FUZZ_FUZZ_H_

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

// A finding, unless `condition` holds: says so and ends the process.
#define FUZZ_CHECK(condition)                                                           \
  do {                                                                                  \
    if (condition) break;                                                               \
    std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
    std::abort();                                                                       \
  } while (false)

// FUZZ_TARGET(name) { ... input ... }: one body per file, run on any bytes; see README.md.
#define FUZZ_TARGET(name)                                                                            \
  static void Fuzz_##name(absl::string_view input);                                                  \
  static const bool registered_##name = ::trimtab::FuzzTargets().emplace(#name, Fuzz_##name).second; \
  static void Fuzz_##name([[maybe_unused]] absl::string_view input)

namespace trimtab {

using FuzzTarget = std::function<void(absl::string_view input)>;

// The targets of this program, by name.
inline std::map<std::string, FuzzTarget>& FuzzTargets() {
  static auto* const targets = new std::map<std::string, FuzzTarget>;
  return *targets;
}

// An error must say something, on one line.
inline void CheckMessage(const absl::Status& status) {
  if (status.ok()) return;
  FUZZ_CHECK(!status.message().empty());
  FUZZ_CHECK(status.message().find('\n') == absl::string_view::npos);
}

// Takes decisions off the front of an input; zeros when it is used up.
class Choices {
 public:
  explicit Choices(absl::string_view input) : rest_(input) {}

  bool done() const { return rest_.empty(); }
  uint8_t Byte() { return static_cast<uint8_t>(Text(1)[0]); }
  int Below(int limit) { return Byte() % limit; }  // REQUIRES: 1 <= limit <= 256.
  bool Bit() { return Below(2) == 1; }
  uint64_t Number() { return Raw<uint64_t>(); }
  double Double() { return Raw<double>(); }
  // Exactly `size` bytes.
  std::string Text(size_t size) {
    std::string text(rest_.substr(0, size));
    rest_.remove_prefix(text.size());
    text.resize(size);
    return text;
  }
  absl::string_view Rest() const { return rest_; }

 private:
  template <typename T>
  T Raw() {
    T value;
    std::memcpy(&value, Text(sizeof(value)).data(), sizeof(value));
    return value;
  }

  absl::string_view rest_;
};

// What is before the next `separator`, which goes too; all of it where there is none.
inline std::string TakeUntil(absl::string_view separator, absl::string_view* input) {
  const size_t end = std::min(input->find(separator), input->size());
  std::string part(input->substr(0, end));
  input->remove_prefix(std::min(input->size(), end + separator.size()));
  return part;
}

}  // namespace trimtab

#endif  // TRIMTAB_TESTS_FUZZ_FUZZ_H_
