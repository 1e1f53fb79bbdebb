#include "common/http_listener.h"

#include <atomic>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/connection_threads.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

using testing::HasSubstr;

TEST(HttpListenerTest, ServesOnAFreePortUntilItIsDestroyed) {
  httplib::Server server;
  server.Get("/", [](const httplib::Request&, httplib::Response& reply) { reply.set_content("here", "text/plain"); });
  ASSERT_OK_AND_ASSIGN(auto listener, HttpListener::Start({.address = "127.0.0.1:0"}, &server));
  httplib::Client client("127.0.0.1", listener->port());
  const auto reply = client.Get("/");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->body, "here");
  listener.reset();
  EXPECT_FALSE(client.Get("/"));
}

TEST(HttpListenerTest, RefusesWhatCannotBeBoundAndNamesTheOption) {
  httplib::Server first;
  ASSERT_OK_AND_ASSIGN(const auto listener, HttpListener::Start({.address = "127.0.0.1:0"}, &first));
  for (const std::string& address :
       {absl::StrCat("127.0.0.1:", listener->port()), std::string("127.0.0.1"), std::string("127.0.0.1:http")}) {
    httplib::Server second;
    const auto refused = HttpListener::Start({.address = address, .name = "listen"}, &second);
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr(absl::StrCat("listen ", address)));
  }
}

TEST(ConnectionThreadsTest, ServesAllAndTakesNoMoreThanItHasThreads) {
  constexpr int kMost = 3, kConnections = 2000;
  std::atomic<int> served = 0;
  ConnectionThreads threads(kMost);
  for (int taken = 1; taken <= kConnections; ++taken) {
    threads.enqueue([&served] { ++served; });
    ASSERT_LE(taken - served, kMost);
  }
  threads.shutdown();
  EXPECT_EQ(served, kConnections);
}

}  // namespace
}  // namespace trimtab
