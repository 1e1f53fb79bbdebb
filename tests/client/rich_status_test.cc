#include "client/rich_status.h"

#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "model/field_error.h"

namespace trimtab {
namespace {

template <typename Detail>
grpc::Status WithDetail(grpc::StatusCode code, const std::string& message, const Detail& detail) {
  google::rpc::Status rich;
  rich.set_code(code);
  rich.set_message(message);
  rich.add_details()->PackFrom(google::rpc::ErrorInfo());
  rich.add_details()->PackFrom(detail);
  return grpc::Status(code, message, rich.SerializeAsString());
}

TEST(RichStatusTest, KeepsCodeAndMessage) {
  EXPECT_TRUE(FromGrpc(grpc::Status::OK).ok());
  const absl::Status status = FromGrpc(grpc::Status(grpc::StatusCode::UNAVAILABLE, "draining"));
  EXPECT_EQ(status, absl::UnavailableError("draining"));
  EXPECT_FALSE(FieldOf(status).has_value());
}

TEST(RichStatusTest, KeepsTheFieldAtFaultAndNamesItOnce) {
  google::rpc::BadRequest bad_request;
  bad_request.add_field_violations()->set_field("article");
  const absl::Status named = FromGrpc(WithDetail(grpc::StatusCode::INVALID_ARGUMENT, "article is empty", bad_request));
  EXPECT_EQ(FieldOf(named), "article");
  EXPECT_EQ(std::string(named.message()), "article is empty");
  const absl::Status nameless = FromGrpc(WithDetail(grpc::StatusCode::INVALID_ARGUMENT, "is empty", bad_request));
  EXPECT_EQ(std::string(nameless.message()), "article: is empty");
}

TEST(RichStatusTest, KeepsTheDetailsForWhoPassesThemOn) {
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(2);
  const auto rich = DetailsOf(FromGrpc(WithDetail(grpc::StatusCode::RESOURCE_EXHAUSTED, "full", retry)));
  EXPECT_EQ(rich.code(), static_cast<int>(grpc::StatusCode::RESOURCE_EXHAUSTED));
  EXPECT_EQ(rich.message(), "full");
  ASSERT_EQ(rich.details_size(), 2);  // WithDetail puts another one before it.
  EXPECT_TRUE(rich.details(1).Is<google::rpc::RetryInfo>());
  EXPECT_EQ(DetailsOf(absl::InternalError("ours")).details_size(), 0);
}

TEST(RichStatusTest, ReadsTheReason) {
  grpc::Status status = WithDetail(grpc::StatusCode::ABORTED, "over", google::rpc::RetryInfo());
  EXPECT_EQ(ErrorReasonOf(status), "");
  google::rpc::Status rich;
  google::rpc::ErrorInfo info;
  info.set_reason("NOT_BEGUN");
  rich.add_details()->PackFrom(info);
  EXPECT_EQ(ErrorReasonOf(grpc::Status(grpc::StatusCode::ABORTED, "over", rich.SerializeAsString())), "NOT_BEGUN");
  EXPECT_EQ(ErrorReasonOf(grpc::Status(grpc::StatusCode::ABORTED, "over")), "");
}

TEST(RichStatusTest, ReadsRetryInfoAndSurvivesDetailsThatAreNone) {
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(2);
  retry.mutable_retry_delay()->set_nanos(500'000'000);
  EXPECT_EQ(RetryDelayOf(WithDetail(grpc::StatusCode::RESOURCE_EXHAUSTED, "full", retry)), absl::Milliseconds(2500));
  EXPECT_FALSE(RetryDelayOf(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "full")).has_value());
  EXPECT_FALSE(RetryDelayOf(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "full", "\xff noise")).has_value());
}

}  // namespace
}  // namespace trimtab
