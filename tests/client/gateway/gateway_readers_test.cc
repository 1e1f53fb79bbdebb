// Readers who take their time, or leave.
#include <arpa/inet.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/gateway/gateway.h"
#include "client/gateway/json.h"
#include "gtest/gtest.h"
#include "tests/server/event.h"
#include "tests/server/rim/server_fixture.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

// A connection that has sent `text` and reads nothing.
class Silent {
 public:
  Silent(int port, const std::string& text) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(send(socket_, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  ~Silent() { close(socket_); }
  Silent(const Silent&) = delete;
  Silent& operator=(const Silent&) = delete;

 private:
  const int socket_;
};

std::string StreamRequest(const v1::SummarizeRequest& request) {
  const std::string body = ToJson(request);
  return absl::StrCat(
      "POST /v1/summarize HTTP/1.1\r\nHost: gateway\r\nAccept: text/event-stream\r\n"
      "Content-Type: application/json\r\nContent-Length: ",
      body.size(), "\r\n\r\n", body);
}

class GatewayReadersTest : public ServerFixture {
 protected:
  void StartBoth(const TinyOptions& tiny) {
    ServerOptions server = Options("");
    server.max_new_tokens = 1024;
    ASSERT_NO_FATAL_FAILURE(Start(server, tiny));
    GatewayOptions options;
    options.listen = "127.0.0.1:0";
    options.servers = server_->grpc_address();
    ASSERT_OK_AND_ASSIGN(gateway_, Gateway::Start(options));
  }

  std::unique_ptr<Gateway> gateway_;
};

TEST_F(GatewayReadersTest, ManyWhoReadNothingHoldUpNobody) {
  ASSERT_NO_FATAL_FAILURE(StartBoth({}));
  v1::SummarizeRequest brief = RequestFor("text", 0.5);
  brief.mutable_options()->set_max_new_tokens(4);
  std::vector<std::unique_ptr<Silent>> silent;
  for (int i = 0; i < 200; ++i) {  // Half have asked for a stream, half are in the middle of a request.
    const std::string request = StreamRequest(brief);
    silent.push_back(std::make_unique<Silent>(gateway_->port(), i % 2 == 0 ? request : request.substr(0, 40)));
  }
  httplib::Client other("127.0.0.1", gateway_->port());
  const auto reply = other.Post("/v1/summarize", ToJson(brief), "application/json");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 200) << reply->body;
}

TEST_F(GatewayReadersTest, AReaderWhoLeavesEndsTheCall) {
  ASSERT_NO_FATAL_FAILURE(StartBoth(SlowModel()));
  auto reader = std::make_unique<Silent>(gateway_->port(), StreamRequest(SlowRequest()));
  EXPECT_TRUE(Eventually([&] { return Metric("trimtab_requests_running") == 1; }));
  reader.reset();
  const std::string cancelled = "trimtab_requests_total{code=\"CANCELLED\",method=\"StreamSummarize\"}";
  EXPECT_TRUE(Eventually([&] { return Metric(cancelled) == 1; }));
}

}  // namespace
}  // namespace trimtab
