// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/listen.h"

#include <gmock/gmock.h>

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
  for (const char* text : {"0.0.0.0:9477", "192.168.1.2:9477", "[::]:9477"}) {
    auto at = parse_listen(text);
    ASSERT_FALSE(at) << text;
    EXPECT_THAT(at.error().message, HasSubstr("TLS and a password"));
  }
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

}  // namespace
}  // namespace tcpadvisor::serve::listen_test
