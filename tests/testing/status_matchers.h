// gmock matchers and assertions for absl::Status and absl::StatusOr.
#ifndef TRIMTAB_TESTS_TESTING_STATUS_MATCHERS_H_
#define TRIMTAB_TESTS_TESTING_STATUS_MATCHERS_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trimtab {
namespace internal {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& status_or) {
  return status_or.status();
}

}  // namespace internal

// IsOk(): matches an OK Status or StatusOr.
MATCHER(IsOk, negation ? "is not OK" : "is OK") {
  *result_listener << "which is " << internal::StatusOf(arg).ToString();
  return internal::StatusOf(arg).ok();
}

// StatusIs(code): matches the code. StatusIs(code, matcher): the message, a std::string, as well.
MATCHER_P(StatusIs, code, "has code " + absl::StatusCodeToString(code)) {
  *result_listener << "which is " << internal::StatusOf(arg).ToString();
  return internal::StatusOf(arg).code() == code;
}
MATCHER_P2(StatusIs, code, message,
           "has code " + absl::StatusCodeToString(code) + " and a message that " +
               ::testing::DescribeMatcher<std::string>(message)) {
  const absl::Status& status = internal::StatusOf(arg);
  *result_listener << "which is " << status.ToString();
  return status.code() == code && ::testing::Matches(message)(std::string(status.message()));
}

}  // namespace trimtab

#define EXPECT_OK(expr) EXPECT_THAT(expr, ::trimtab::IsOk())
#define ASSERT_OK(expr) ASSERT_THAT(expr, ::trimtab::IsOk())

// Declares or assigns `lhs` from a StatusOr, or fails the test.
#define ASSERT_OK_AND_ASSIGN(lhs, expr) \
  TRIMTAB_ASSERT_OK_AND_ASSIGN_(TRIMTAB_TEST_CONCAT_(status_or_, __LINE__), lhs, expr)

#define TRIMTAB_TEST_CONCAT_INNER_(a, b) a##b
#define TRIMTAB_TEST_CONCAT_(a, b) TRIMTAB_TEST_CONCAT_INNER_(a, b)
#define TRIMTAB_ASSERT_OK_AND_ASSIGN_(tmp, lhs, expr) \
  auto tmp = (expr);                                  \
  ASSERT_THAT(tmp, ::trimtab::IsOk());                \
  lhs = *std::move(tmp)

#endif  // TRIMTAB_TESTS_TESTING_STATUS_MATCHERS_H_
