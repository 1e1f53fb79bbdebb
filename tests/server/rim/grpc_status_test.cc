#include "server/rim/grpc_status.h"

#include <optional>
#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "model/field_error.h"
#include "server/error_reason.h"

namespace trimtab {
namespace {

template <typename Detail>
std::optional<Detail> DetailOf(const grpc::Status& status) {
  google::rpc::Status rich;
  EXPECT_TRUE(rich.ParseFromString(status.error_details()));
  for (const auto& any : rich.details()) {
    Detail detail;
    if (any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}

TEST(GrpcStatusTest, OkStaysOkWithoutDetails) {
  const grpc::Status status = ToGrpc(absl::OkStatus());
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.error_details(), "");
}

TEST(GrpcStatusTest, EveryCodeKeepsItsNumberItsNameAndItsMessage) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status original(static_cast<absl::StatusCode>(code), "said so");
    const grpc::Status status = ToGrpc(original);
    EXPECT_EQ(static_cast<int>(status.error_code()), code);
    EXPECT_EQ(status.error_message(), "said so");
    google::rpc::Status rich;
    ASSERT_TRUE(rich.ParseFromString(status.error_details()));
    EXPECT_EQ(rich.code(), code);
    EXPECT_EQ(rich.message(), "said so");
    EXPECT_EQ(std::string(CodeName(original.code())), absl::StatusCodeToString(original.code()));
  }
}

TEST(GrpcStatusTest, NamesTheFieldAtFaultInABadRequest) {
  const grpc::Status status = ToGrpc(InvalidField("steering.weights[2]", "is -1; expected 0 to 1"));
  const auto bad_request = DetailOf<google::rpc::BadRequest>(status);
  ASSERT_TRUE(bad_request.has_value());
  ASSERT_EQ(bad_request->field_violations_size(), 1);
  EXPECT_EQ(bad_request->field_violations(0).field(), "steering.weights[2]");
  EXPECT_EQ(bad_request->field_violations(0).description(), "steering.weights[2] is -1; expected 0 to 1");
  EXPECT_FALSE(DetailOf<google::rpc::RetryInfo>(status).has_value());
}

TEST(GrpcStatusTest, SaysWhenToTryAgainOnlyWhereThatHelps) {
  const auto retry = DetailOf<google::rpc::RetryInfo>(ToGrpc(absl::ResourceExhaustedError("full")));
  ASSERT_TRUE(retry.has_value());
  EXPECT_EQ(absl::Seconds(retry->retry_delay().seconds()) + absl::Nanoseconds(retry->retry_delay().nanos()),
            kRetryDelay);
  EXPECT_FALSE(DetailOf<google::rpc::RetryInfo>(ToGrpc(absl::InternalError("broken"))).has_value());
}

TEST(GrpcStatusTest, GivesAReasonInOurDomain) {
  const struct {
    absl::Status status;
    std::string reason;
  } kCases[] = {{absl::InvalidArgumentError(""), "INVALID_REQUEST"},
                {WithReason(absl::FailedPreconditionError(""), kNotBegun), "NOT_BEGUN"},
                {absl::ResourceExhaustedError(""), "OVERLOADED"},
                {DrainedError(), "DRAINING"},
                {absl::UnavailableError("all mixed weights are in use"), "UNAVAILABLE"},
                {absl::FailedPreconditionError(""), "PARAMS_VERSION_UNAVAILABLE"},
                {absl::DeadlineExceededError(""), "DEADLINE_EXCEEDED"}};
  for (const auto& c : kCases) {
    const auto info = DetailOf<google::rpc::ErrorInfo>(ToGrpc(c.status));
    ASSERT_TRUE(info.has_value());
    EXPECT_EQ(info->reason(), c.reason);
    EXPECT_EQ(info->domain(), "trimtab");
  }
}

}  // namespace
}  // namespace trimtab
