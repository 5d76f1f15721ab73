// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/listen.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace tcpadvisor::serve::listen_test {
namespace {

using testing::HasSubstr;

TEST(Listen, takes_addresses_of_loopback) {
  EXPECT_EQ(parse_listen("127.0.0.1:9477"), Endpoint::v4(127, 0, 0, 1, 9477));
  EXPECT_EQ(parse_listen("localhost:80"), Endpoint::v4(127, 0, 0, 1, 80));
  EXPECT_EQ(parse_listen("127.9.9.9:0"), Endpoint::v4(127, 9, 9, 9, 0));
  auto v6 = parse_listen("[::1]:9477");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->text(), "[::1]:9477");
}

TEST(Listen, says_what_would_be_right) {
  for (const char* text : {"", ":", "9477", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "::1:9477",
                           "[127.0.0.1]:80", "example.org:80", "127.0.0.1:80 "}) {
    auto at = parse_listen(text);
    ASSERT_FALSE(at) << text;
    EXPECT_EQ(at.error().code, ErrorCode::bad_input);
    EXPECT_THAT(at.error().message, HasSubstr("write for example 127.0.0.1:9477"));
  }
}

TEST(Listen, takes_other_addresses_which_are_for_check_access_to_allow) {
  EXPECT_EQ(parse_listen("0.0.0.0:9477"), Endpoint::v4(0, 0, 0, 0, 9477));
  EXPECT_FALSE(parse_listen("[::]:9477").value().is_loopback());
}

TEST(Listen, has_the_port_that_was_free_and_tells_who_comes_second) {
  auto first = listen_on(Endpoint::v4(127, 0, 0, 1, 0));
  ASSERT_TRUE(first);
  const Endpoint at = place_of(*first);
  EXPECT_NE(at.port, 0);
  auto second = listen_on(at);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr("something else listens there"));
}

TEST(Listen, gives_connections_that_send_the_end_of_a_page_at_once) {
  auto listening = listen_on(Endpoint::v4(127, 0, 0, 1, 0));
  ASSERT_TRUE(listening);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(place_of(*listening).port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const os::UniqueFd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const os::UniqueFd accepted(accept4(listening->get(), nullptr, nullptr, SOCK_CLOEXEC));
  int no_delay = 0;
  socklen_t size = sizeof no_delay;
  ASSERT_EQ(getsockopt(accepted.get(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &size), 0);
  EXPECT_NE(no_delay, 0);
}

}  // namespace
}  // namespace tcpadvisor::serve::listen_test
