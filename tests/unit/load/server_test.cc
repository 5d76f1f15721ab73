// SPDX-License-Identifier: Apache-2.0
#include "agent/port/load/server.h"

#include <gtest/gtest.h>

#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "agent/port/fake.h"

namespace tcpadvisor::port::load::server_test {
namespace {

using namespace std::chrono_literals;

/// A server with one connection on the fake wire; the test is its client.
class ServerTest : public testing::Test {
 protected:
  Server& serve(const ServerOptions& options) {
    server_.emplace(time_, options);
    server_->add(wire_.take_near());
    return *server_;
  }
  std::uint64_t read() const { return server_->totals().bytes; }

  VirtualTime time_;
  FakeWire wire_{time_, {.capacity = 1 << 20, .writable_at = 1}};
  std::optional<Server> server_;
};

TEST_F(ServerTest, reads_what_comes_and_ends_with_the_fin) {
  Server& server = serve({});
  wire_.peer_write(std::string(1'000'000, 'x'));
  time_.settle();
  EXPECT_EQ(read(), 1'000'000u);
  EXPECT_EQ(server.totals().open, 1u);
  wire_.peer_shutdown();
  time_.settle();
  EXPECT_EQ(server.totals().open, 0u);
  EXPECT_TRUE(wire_.closed());
  EXPECT_EQ(wire_.in_kernel(), 0u) << "nothing is sent back";
}

TEST_F(ServerTest, keeps_to_its_rate) {
  serve({.rate = 50'000});
  wire_.peer_write(std::string(1'000'000, 'x'));
  time_.advance(2s);
  EXPECT_NEAR(static_cast<double>(read()), 100'000, 1'000);
}

TEST_F(ServerTest, a_rate_of_less_than_a_byte_in_ten_milliseconds_is_kept_too) {
  serve({.rate = 30});
  wire_.peer_write(std::string(1'000, 'x'));
  time_.advance(10s);
  EXPECT_NEAR(static_cast<double>(read()), 300, 5);
}

TEST_F(ServerTest, rests_after_each_read) {
  serve({.rest = 100ms});
  wire_.peer_write(std::string(3 * Server::kBuffer, 'x'));
  time_.advance(50ms);
  EXPECT_EQ(read(), Server::kBuffer);
  time_.advance(100ms);
  EXPECT_EQ(read(), 2 * Server::kBuffer);
}

TEST_F(ServerTest, a_rest_does_not_end_a_stall) {
  serve({.rest = 10ms, .stall_after = 1'000});
  wire_.peer_write(std::string(5'000, 'x'));
  time_.advance(10s);
  EXPECT_EQ(read(), 1'000u);
}

// A rest, a refill of the rate or both may be due when the connection ends, and must not come back to it.
TEST_F(ServerTest, no_timer_outlives_its_connection) {
  for (bool reset : {false, true}) {
    for (std::uint64_t rate : {0u, 1'000u}) {
      FakeWire wire(time_, {.capacity = 100, .writable_at = 1});
      Server server(time_, {.rate = rate, .rest = 50ms, .close_after = 20, .reset = reset});
      server.add(wire.take_near());
      wire.peer_write(std::string(100, 'x'));
      time_.advance(5s);
      EXPECT_EQ(server.totals().open, 0u);
      EXPECT_EQ(server.totals().bytes, 20u);
      EXPECT_TRUE(time_.idle()) << "rate " << rate << ", reset " << reset;
    }
  }
}

TEST_F(ServerTest, no_timer_outlives_the_server) {
  serve({.rate = 1'000, .rest = 50ms});
  wire_.peer_write(std::string(100, 'x'));
  time_.advance(1ms);
  server_.reset();
  EXPECT_TRUE(time_.advance(5s));
  EXPECT_TRUE(time_.idle());
}

TEST_F(ServerTest, sends_everything_back_in_order) {
  serve({.echo = true});
  wire_.set_kernel({.capacity = 7, .writable_at = 3});
  std::string sent, back;
  for (int i = 0; i < 200; ++i) sent += std::to_string(i);
  wire_.peer_write(sent);
  for (int i = 0; i < 1'000; ++i) {
    back += wire_.peer_read(5);
    time_.advance(1ms);
  }
  EXPECT_EQ(back, sent);
}

// With a rate and a rest each timer wakes the reader again; what it may keep for a client that does not read is one
// buffer all the same.
TEST_F(ServerTest, keeps_no_more_than_one_buffer_of_echo) {
  for (ServerOptions options : std::vector<ServerOptions>{{.echo = true},
                                                          {.echo = true, .rate = 10 << 20},
                                                          {.echo = true, .rest = 1ms},
                                                          {.echo = true, .rate = 10 << 20, .rest = 1ms}}) {
    FakeWire wire(time_, {.capacity = 1'000, .writable_at = 1});
    Server server(time_, options);
    server.add(wire.take_near());
    wire.peer_write(std::string(4 << 20, 'x'));
    time_.advance(10s);
    EXPECT_EQ(wire.in_kernel(), 1'000u);
    EXPECT_LE(server.totals().bytes, Server::kBuffer) << "rate " << options.rate << ", rest " << options.rest.count();
  }
}

TEST_F(ServerTest, flushes_its_echo_before_it_closes) {
  Server& server = serve({.echo = true, .close_after = 1'000});
  wire_.set_kernel({.capacity = 10, .writable_at = 1});
  wire_.peer_write(std::string(1'000, 'x'));
  std::string back;
  for (int i = 0; i < 1'000; ++i) {
    back += wire_.peer_read(10);
    time_.advance(1ms);
  }
  EXPECT_EQ(back.size(), 1'000u);
  EXPECT_EQ(server.totals().open, 0u);
}

TEST_F(ServerTest, a_client_that_resets_ends_its_connection_only) {
  Server& server = serve({.echo = true, .rate = 1'000, .rest = 5ms});
  FakeWire other(time_, {.capacity = 1'000, .writable_at = 1});
  server.add(other.take_near());
  wire_.peer_write("hello");
  time_.advance(1ms);
  wire_.peer_reset();
  other.peer_write("hello");
  time_.advance(1s);
  EXPECT_EQ(server.totals().open, 1u);
  EXPECT_EQ(other.peer_read(10), "hello");
}

TEST_F(ServerTest, measures_messages_that_come_in_pieces) {
  constexpr std::size_t kMessage = 20;
  Server& server = serve({.message = kMessage});
  std::uint64_t stamp = stamp_now();
  std::string message(kMessage, 'x');
  std::memcpy(message.data(), &stamp, sizeof stamp);
  std::string all = message + message + message;
  for (char byte : all) {
    wire_.peer_write(std::string_view(&byte, 1));
    time_.settle();
  }
  EXPECT_EQ(server.totals().messages, 3u);
  EXPECT_LT(server.totals().delivery.max(), 1h) << "the stamp was found";
  wire_.peer_write(std::string(kMessage, '\xff'));  // from the future
  time_.settle();
  EXPECT_EQ(server.totals().messages, 4u);
}

}  // namespace
}  // namespace tcpadvisor::port::load::server_test
