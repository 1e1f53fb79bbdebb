#include "client/gateway/event_stream.h"

#include <atomic>
#include <optional>
#include <string>

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

TEST(EventStreamTest, HandsOverAllEventsAndThenTheStatus) {
  EventStream stream([](const EventStream::Emit& emit) {
    for (int i = 0; i < 1000; ++i) emit(std::to_string(i));
    return absl::UnavailableError("gone");
  });
  EXPECT_OK(stream.WaitForFirst());
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(stream.Next(), std::to_string(i));
  EXPECT_EQ(stream.Next(), std::nullopt);
  EXPECT_THAT(stream.status(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(EventStreamTest, ACallThatFailsAtOnceSaysSoBeforeAnyEvent) {
  EventStream stream([](const EventStream::Emit&) { return absl::InvalidArgumentError("no"); });
  EXPECT_THAT(stream.WaitForFirst(), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(EventStreamTest, ACallIsHeldBackByAReaderAndEndsWithIt) {
  std::atomic<int> emitted = 0;
  {
    EventStream stream([&](const EventStream::Emit& emit) {
      while (emit("event")) ++emitted;
      return absl::CancelledError("nobody reads");
    });
    ASSERT_EQ(stream.Next(), "event");
  }
  EXPECT_LE(emitted, 65);  // Those that may wait, and the one that was read.
}

}  // namespace
}  // namespace trimtab
