// SPDX-License-Identifier: Apache-2.0
#include "agent/port/publish.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <set>
#include <sstream>
#include <stdexcept>

#include "agent/port/fake.h"

namespace tcpadvisor::port::publish_test {
namespace {

using namespace std::chrono_literals;
using testing::Test;

struct Deaf final : EventSink {
  void on_event(const Event&) override {}
};

UserQueueClaim some_claim() {
  return {.connection = {0, Endpoint::v4(10, 0, 0, 1, 1), Endpoint::v4(10, 0, 0, 2, 2)}, .queue = {}};
}

/// A directory with one listening agent in it.
class PublishTest : public Test {
 protected:
  PublishTest() {
    std::string name = (std::filesystem::temp_directory_path() / "queues-XXXXXX").native();
    directory_ = mkdtemp(name.data());
    agent_ = bind_agent("1.sock");
  }
  ~PublishTest() override { std::filesystem::remove_all(directory_); }

  os::UniqueFd bind_agent(const std::string& name) {
    os::UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::string path = directory_ + "/" + name;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  static std::string heard(const os::UniqueFd& fd) {
    std::string all;
    std::array<char, 16'384> buffer{};
    for (;;) {
      ssize_t bytes = recv(fd.get(), buffer.data(), buffer.size(), 0);
      if (bytes < 0) return all;
      EXPECT_LE(bytes, 8'192);
      all.append(buffer.data(), static_cast<std::size_t>(bytes));
    }
  }

  std::string directory_;
  os::UniqueFd agent_;
  VirtualTime time_;
  Deaf deaf_;
};

TEST_F(PublishTest, a_port_is_one_line_with_all_that_is_known) {
  FakeWire wire(time_, {0, 1});
  PortSetup setup{.name = "P"};
  setup.options.high = 2;
  setup.options.low = 1;
  Port port(setup, wire.take_near(), time_, deaf_);
  for (CallerId caller = 1; caller <= 3; ++caller) port.send(caller, {}, "x");
  time_.advance(1'200ms);
  EXPECT_EQ(user_queue_line(claim_of(port, connection_of("127.0.0.1:40000", "127.0.0.1:5000"))),
            "tcpadvisor-queue 1 local=127.0.0.1:40000 remote=127.0.0.1:5000 queued=2 high=2 low=1 busy=1 waiting=1 "
            "suspended=1 waited_ms=1200 mq=0 mq_high=8192 mq_low=4096 mq_busy=0 pending_shutdown=0 accepted=2 "
            "bypassed=0 dropped=0 refused=0 name=P\n");
}

TEST_F(PublishTest, speaks_at_once_after_a_change_and_once_a_second) {
  Publisher publisher(time_, {directory_});
  UserQueueClaim word = some_claim();
  auto id = publisher.add([&] { return word; });
  time_.settle();
  EXPECT_EQ(heard(agent_), "tcpadvisor-queue 1 local=10.0.0.1:1 remote=10.0.0.2:2 queued=0\n");
  time_.advance(900ms);
  EXPECT_EQ(heard(agent_), "") << "nothing new";
  word.queue.waited_ms = 5;
  time_.advance(50ms);
  EXPECT_EQ(heard(agent_), "") << "time going on is no change";
  time_.advance(100ms);
  EXPECT_EQ(heard(agent_), "tcpadvisor-queue 1 local=10.0.0.1:1 remote=10.0.0.2:2 queued=0 waited_ms=5\n") << "renewed";
  word.queue.queued = 7;
  time_.advance(200ms);
  EXPECT_EQ(heard(agent_), "tcpadvisor-queue 1 local=10.0.0.1:1 remote=10.0.0.2:2 queued=7 waited_ms=5\n");
  publisher.remove(id);
  EXPECT_EQ(heard(agent_), "tcpadvisor-queue 1 local=10.0.0.1:1 remote=10.0.0.2:2 queued=7 waited_ms=5 ended=1\n");
  time_.advance(5s);
  EXPECT_EQ(heard(agent_), "");
}

TEST_F(PublishTest, tells_every_agent_and_survives_one_that_is_gone) {
  os::UniqueFd second = bind_agent("2.sock");
  bind_agent("3.sock");  // its file stays: an agent that was killed
  bind_agent("notes.txt");
  Publisher publisher(time_, {directory_ + "/missing", directory_});
  publisher.add([] { return some_claim(); });
  time_.settle();
  EXPECT_FALSE(heard(agent_).empty());
  EXPECT_FALSE(heard(second).empty());
}

TEST_F(PublishTest, many_connections_share_datagrams) {
  UserQueueClaim word = some_claim();  // outlives the publisher, which asks for it a last time
  Publisher publisher(time_, {directory_});
  for (int i = 0; i < 300; ++i) {
    publisher.add([&] { return word; });
  }
  time_.settle();
  heard(agent_);
  word.queue.queued = 1;
  time_.advance(400ms);
  std::string all = heard(agent_);
  EXPECT_EQ(std::ranges::count(all, '\n'), 300);
}

TEST_F(PublishTest, an_agent_without_room_hears_the_rest_in_the_next_turns) {
  Publisher publisher(time_, {directory_});
  for (int i = 0; i < 600; ++i) {
    publisher.add([i] {
      UserQueueClaim claim = some_claim();
      claim.connection.local.port = static_cast<std::uint16_t>(i + 1);
      return claim;
    });
  }
  std::set<std::string> known;  // more came with the first words than the socket could hold: those are said again
  for (int turn = 0; turn < 10; ++turn) {
    std::istringstream lines(heard(agent_));
    for (std::string line; std::getline(lines, line);) known.insert(line);
    time_.advance(200ms);
  }
  EXPECT_EQ(known.size(), 600u);
}

TEST_F(PublishTest, a_turn_looks_at_a_bounded_number_and_all_get_theirs_within_a_second) {
  std::vector<int> looks(Publisher::kMostConnections);  // outlives the publisher, which looks once more at its end
  Publisher publisher(time_, {directory_});
  for (std::size_t i = 0; i < looks.size(); ++i) {
    EXPECT_NE(publisher.add([&looks, i] { return ++looks[i], some_claim(); }), 0u);
  }
  auto sum = [&] { return std::accumulate(looks.begin(), looks.end(), std::size_t{0}); };
  time_.settle();
  std::size_t before = sum();
  EXPECT_LE(before, Publisher::kLooksPerTurn);
  time_.advance(200ms);
  EXPECT_EQ(sum() - before, Publisher::kLooksPerTurn);
  time_.advance(800ms);
  EXPECT_GE(*std::ranges::min_element(looks), 1);
}

TEST_F(PublishTest, more_connections_than_an_agent_hears_are_not_looked_at) {
  Publisher publisher(time_, {directory_});
  for (std::size_t i = 0; i < Publisher::kMostConnections; ++i) publisher.add([] { return UserQueueClaim{}; });
  Publisher::Id id = publisher.add([]() -> UserQueueClaim { throw std::runtime_error("looked at"); });
  EXPECT_EQ(id, 0u);
  time_.advance(5s);
  publisher.remove(id);
}

}  // namespace
}  // namespace tcpadvisor::port::publish_test
