// SPDX-License-Identifier: Apache-2.0
// The server on real sockets of loopback. Its limits are small here, and the clock that they go by is made by hand.
#include "agent/serve/server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>

#include "agent/os/thread.h"
#include "agent/serve/listen.h"
#include "tests/unit/watch/hosts.h"

namespace tcpadvisor::serve::server_test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

/// Read by the server's thread, put forward by the test's.
class HandClock final : public os::Clock {
 public:
  std::uint64_t mono_ns() const override { return now_ns_; }
  std::int64_t wall_ms() const override { return 0; }
  void pass(std::chrono::nanoseconds time) { now_ns_ += static_cast<std::uint64_t>(time.count()); }

 private:
  std::atomic<std::uint64_t> now_ns_ = 1'000'000'000;
};

class Client {
 public:
  explicit Client(const Endpoint& at, int receive_buffer = 0) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer > 0) setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(at.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const timeval patience{20, 0};  // for the failure of a test, not for its success
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  void say(std::string_view text) {
    EXPECT_EQ(send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  /// Until the text contains `end`, or the other end has closed.
  std::string hear(std::string_view end) {
    std::string all;
    std::array<char, 65536> part{};
    while (all.find(end) == std::string::npos) {
      const ssize_t count = recv(fd_.get(), part.data(), part.size(), 0);
      if (count <= 0) return all + (count == 0 ? "<closed>" : "<nothing>");
      all.append(part.data(), static_cast<std::size_t>(count));
    }
    return all;
  }
  std::string ask(std::string_view line) {
    say(std::string(line) + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    return hear("no such text");
  }

 private:
  os::UniqueFd fd_;
};

class ServerOn : public testing::Test {
 protected:
  void SetUp() override {
    auto listening = listen_on(Endpoint::v4(127, 0, 0, 1, 0));
    ASSERT_TRUE(listening);
    at_ = place_of(*listening);
    ServerOptions options;
    options.listening = std::move(*listening);
    options.version = "1.2.3";
    options.most_connections = 4;
    options.most_streams = 2;
    options.patience = std::chrono::minutes(1);
    observations_ = observe::Subscription::open(1'000).value();
    auto server = Server::open(std::move(options), observations_, clock_);
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    thread_ = std::make_unique<os::Thread>("http", [this] { server_->run(); });
  }
  void TearDown() override {
    if (!thread_) return;
    server_->drain();
    clock_.pass(std::chrono::seconds(10));
    thread_->join();
    EXPECT_FALSE(thread_->failure());
  }
  void tick(const observe::Observation& seen = test::busy_host()) {
    observations_->deliver(std::make_shared<const observe::Observation>(seen));
  }
  std::string get(std::string_view path) { return Client(at_).ask("GET " + std::string(path)); }
  /// The value of a metric in a new scrape; each tick makes new numbers.
  double metric(const std::string& name) {
    tick();
    const std::string text = get("/metrics");
    const auto at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::strtod(text.c_str() + at + name.size() + 2, nullptr);
  }

  HandClock clock_;
  Endpoint at_;
  std::shared_ptr<observe::Subscription> observations_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<os::Thread> thread_;
};

TEST_F(ServerOn, answers_each_kind_of_request) {
  EXPECT_THAT(get("/readyz"), StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
  tick();
  while (get("/readyz").find(" 200 ") == std::string::npos) {
  }
  EXPECT_THAT(get("/metrics"),
              testing::AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("\ntcpadvisor_ticks_total 1\n")));
  EXPECT_THAT(get("/nothing"), StartsWith("HTTP/1.1 404 Not Found\r\n"));
  EXPECT_THAT(Client(at_).ask("HEAD /metrics"),
              testing::AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), EndsWith("\r\n\r\n<closed>")));
  EXPECT_THAT(Client(at_).ask("POST /metrics"),
              testing::AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("\r\nAllow: GET, HEAD\r\n")));
  EXPECT_THAT(Client(at_).ask("BREW /metrics"), StartsWith("HTTP/1.1 405 "));  // libevent knows none of this name
  EXPECT_THAT(Client(at_).ask("\x01\x02\xff"), testing::Not(HasSubstr("<nothing>")));
  EXPECT_THAT(Client(at_).ask("GET /" + std::string(20'000, 'a')), testing::Not(HasSubstr(" 200 ")));
  EXPECT_EQ(metric("tcpadvisor_http_requests_total{endpoint=\"other\",code=\"404\"}"), 1);
}

TEST_F(ServerOn, the_oldest_half_request_makes_room) {
  tick();
  std::vector<std::unique_ptr<Client>> half;
  for (int i = 0; i < 7; ++i) {
    half.push_back(std::make_unique<Client>(at_));
    half.back()->say("GET /metrics HT");
    clock_.pass(std::chrono::milliseconds(1));
  }
  EXPECT_THAT(get("/metrics"), HasSubstr("\ntcpadvisor_http_connections_limit 4\n"));
  EXPECT_THAT(half[0]->hear("x"), EndsWith("<closed>"));
  EXPECT_THAT(half[1]->hear("x"), EndsWith("<closed>"));
  half[6]->say("TP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(half[6]->hear("\ntcpadvisor_series_dropped_total"), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_GE(metric("tcpadvisor_http_connections_unanswered_total{reason=\"displaced\"}"), 4);
}

TEST_F(ServerOn, who_is_too_slow_is_cut_off) {
  tick();
  Client slow(at_);
  slow.say("GET /met");
  while (metric("tcpadvisor_http_connections") < 2) {
  }
  clock_.pass(std::chrono::seconds(61));
  EXPECT_EQ(slow.hear("x"), "<closed>");
  EXPECT_EQ(metric("tcpadvisor_http_connections_unanswered_total{reason=\"timed_out\"}"), 1);
}

TEST_F(ServerOn, each_tick_is_an_event_and_readers_come_and_go) {
  tick();
  while (get("/readyz").find(" 200 ") == std::string::npos) {
  }
  Client reader(at_);
  {
    Client other(at_);
    for (Client* one : {&reader, &other}) {
      one->say("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
      EXPECT_THAT(one->hear("\n\n"), HasSubstr("event: tick\ndata: {"));
    }
    EXPECT_THAT(get("/api/v1/events"), StartsWith("HTTP/1.1 503 "));
  }
  for (int i = 0; i < 3; ++i) {
    tick();
    EXPECT_THAT(reader.hear("\n\n"), HasSubstr("event: tick\n"));
  }
  while (metric("tcpadvisor_http_event_streams") != 1) {
  }
}

TEST_F(ServerOn, a_reader_that_does_not_read_is_dropped) {
  tick();
  Client reader(at_, 4'096);
  reader.say("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  while (metric("tcpadvisor_http_event_streams") != 1) {
  }
  while (metric("tcpadvisor_http_slow_event_streams_dropped_total") < 1) tick(test::flooded_host());
  EXPECT_THAT(reader.hear("no such text"), testing::Not(EndsWith("<nothing>")));
}

TEST_F(ServerOn, draining_answers_what_was_asked_and_ends_streams) {
  tick();
  while (get("/readyz").find(" 200 ") == std::string::npos) {
  }
  Client reader(at_), idle(at_);
  reader.say("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(reader.hear("\n\n"), HasSubstr("event: tick\n"));
  server_->drain();
  EXPECT_THAT(reader.hear("no such text"), EndsWith("0\r\n\r\n<closed>"));
  EXPECT_EQ(idle.hear("x"), "<closed>");
  thread_->join();
}

}  // namespace
}  // namespace tcpadvisor::serve::server_test
