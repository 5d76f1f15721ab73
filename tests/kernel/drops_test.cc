// SPDX-License-Identifier: Apache-2.0
// Packets are dropped in ways that the test knows, as many as it knows.
#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "advisor/evidence/drop_reasons.h"
#include "bpf/abi.h"
#include "tests/kernel/kernel_test.h"
#include "tests/kernel/packet_filter.h"

namespace tcpadvisor::kernel::drops_test {
namespace {

constexpr std::uint64_t kTimes = 20;

/// One SYN, which is not sent again: the socket is closed before.
void try_to_connect(int family, std::uint16_t port) {
  os::UniqueFd fd(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  ASSERT_TRUE(fd);
  if (family == AF_INET) {
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to);
  } else {
    sockaddr_in6 to = {};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(port);
    to.sin6_addr = in6addr_loopback;
    (void)connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to);
  }
}

class DropsTest : public KernelTest {
 protected:
  void SetUp() override {
    KernelTest::SetUp();
    if (IsSkipped()) return;
    if (!tracer_->drops()) GTEST_SKIP() << "no hook sees here what is dropped: " << why_not_dropped();
    struct stat about = {};
    ASSERT_EQ(stat("/proc/thread-self/ns/net", &about), 0);
    netns_ = about.st_ino;
    before_ = all();
  }
  void TearDown() override { traffic::drop_no_packets(); }

  static std::string why_not_dropped() {
    for (const FactCoverage& line : tracer_->coverage()) {
      if (line.fact == FactId::drops) return line.attempts.front().why_not;
    }
    return "";
  }

  std::vector<Drops> all() const {
    std::vector<Drops> here = tracer_->drops().value_or(std::vector<Drops>{});
    std::erase_if(here, [&](const Drops& one) { return one.netns != netns_; });
    return here;
  }
  /// What has come since the test began.
  std::vector<Drops> now() const {
    std::vector<Drops> out;
    for (Drops one : all()) {
      for (const Drops& then : before_) {
        if (then.peer == one.peer && then.port == one.port && then.outgoing == one.outgoing &&
            then.reason == one.reason && then.function == one.function)
          one.segments -= then.segments;
      }
      if (one.segments > 0) out.push_back(one);
    }
    return out;
  }
  static std::string text(const std::vector<Drops>& drops) {
    std::string out;
    for (const Drops& one : drops) {
      out += one.reason + " in " + one.function + " " + one.peer.ip_text() + " port " + std::to_string(one.port) +
             (one.outgoing ? " out " : " in ") + std::to_string(one.segments) + "\n";
    }
    return out;
  }

  NetnsId netns_ = 0;
  std::vector<Drops> before_;
};

TEST_F(DropsTest, ARuleOfThePacketFilterOnTheWayOut) {
  std::string why_not;
  if (!traffic::drop_packets(traffic::Hook::output, 1, why_not)) GTEST_SKIP() << why_not;
  for (std::uint64_t i = 0; i < kTimes; ++i) try_to_connect(AF_INET, 9'001);
  for (std::uint64_t i = 0; i < kTimes; ++i) try_to_connect(AF_INET6, 9'001);
  auto seen = now();
  ASSERT_EQ(seen.size(), 2u) << text(seen);
  std::vector<std::string> peers;
  for (const Drops& one : seen) {
    EXPECT_EQ(one.reason, "NETFILTER_DROP");
    EXPECT_EQ(place_of(one), DropPlace::filter);
    EXPECT_NE(one.function, "") << "the kernel's own name of the function";
    EXPECT_TRUE(one.outgoing);
    EXPECT_EQ(one.port, 0);
    EXPECT_EQ(one.segments, kTimes);
    peers.push_back(one.peer.ip_text());
  }
  EXPECT_THAT(peers, testing::UnorderedElementsAre("127.0.0.1", "::1"));
}

TEST_F(DropsTest, ARuleOfThePacketFilterBeforeAListener) {
  auto listener = traffic::listen_on_loopback(8);
  std::string why_not;
  if (!traffic::drop_packets(traffic::Hook::input, 1, why_not)) GTEST_SKIP() << why_not;
  for (std::uint64_t i = 0; i < kTimes; ++i) try_to_connect(AF_INET, listener.port);
  auto seen = now();
  ASSERT_EQ(seen.size(), 1u) << text(seen);
  EXPECT_EQ(seen[0].reason, "NETFILTER_DROP");
  EXPECT_FALSE(seen[0].outgoing);
  EXPECT_EQ(seen[0].port, listener.port);
  EXPECT_TRUE(seen[0].peer.is_unspecified()) << "addresses of SYNs may be anything: they would fill the table";
  EXPECT_EQ(seen[0].segments, kTimes);
}

TEST_F(DropsTest, AFilterOnAListener) {
  auto listener = traffic::listen_on_loopback(8);
  sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
  const sock_fprog program = {.len = 1, .filter = &nothing};
  ASSERT_EQ(setsockopt(listener.fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), 0);
  for (std::uint64_t i = 0; i < kTimes; ++i) try_to_connect(AF_INET, listener.port);
  auto seen = now();
  ASSERT_EQ(seen.size(), 1u) << text(seen);
  EXPECT_EQ(seen[0].reason, "SOCKET_FILTER");
  EXPECT_EQ(place_of(seen[0]), DropPlace::socket);
  EXPECT_EQ(seen[0].port, listener.port);
  EXPECT_EQ(seen[0].segments, kTimes);
  auto row = row_of(listener.fd.get(), walk());
  ASSERT_TRUE(row);
  EXPECT_EQ(row->drops, kTimes) << "the kernel's own count";
}

TEST_F(DropsTest, TheQueueInFrontOfADevice) {
  // Loopback hands over what it gets at once: one packet a second is what this queue lets through.
  if (std::system("tc qdisc add dev lo root tbf rate 8kbit burst 1600 limit 1600 2>/dev/null") != 0)
    GTEST_SKIP() << "no tc, or no tbf in this kernel";
  for (std::uint64_t i = 0; i < 3 * kTimes; ++i) try_to_connect(AF_INET, 9'002);
  std::uint64_t sent = 0, dropped = 0;
  FILE* tc = popen(
      "tc -s qdisc show dev lo | sed -n 's/.*Sent [0-9]* bytes \\([0-9]*\\) pkt (dropped \\([0-9]*\\).*/\\1 \\2/p'",
      "r");
  ASSERT_NE(tc, nullptr);
  EXPECT_EQ(fscanf(tc, "%lu %lu", &sent, &dropped), 2);
  pclose(tc);
  std::uint64_t counted = 0;
  auto seen = now();
  for (const Drops& one : seen) {
    if (place_of(one) == DropPlace::qdisc) counted += one.segments;
  }
  EXPECT_GT(dropped, 0u);
  EXPECT_EQ(counted, dropped) << text(seen);
  (void)std::system("tc qdisc del dev lo root");
}

TEST_F(DropsTest, NothingIsDroppedWhereConnectionsComeAndGo) {
  auto listener = traffic::listen_on_loopback(8);
  for (std::uint64_t i = 0; i < kTimes; ++i) {
    auto pair = traffic::make_pair(listener);
    traffic::send_exactly(pair.client.get(), 100'000);
    traffic::receive_exactly(pair.server.get(), 100'000);
    traffic::send_exactly(pair.server.get(), 10);
    if (i % 2 == 0) traffic::receive_exactly(pair.client.get(), 10);  // else it is closed unread: a reset
    if (i % 3 == 0) pair.server.reset();
  }
  try_to_connect(AF_INET, 9'003);  // nobody listens: refused, which is no loss
  EXPECT_EQ(text(now()), "");
}

TEST_F(DropsTest, WhatHasNoRoomIsCountedAsLost) {
  std::string why_not;
  if (!traffic::drop_packets(traffic::Hook::input, 1, why_not)) GTEST_SKIP() << why_not;
  constexpr std::uint16_t kMore = 100, kFirst = 20'000;
  const std::uint64_t lost = tracer_->lost()["drops"];
  for (std::uint16_t i = 0; i < abi::TA_DROPS_HANDSHAKE + kMore; ++i) try_to_connect(AF_INET, kFirst + i);
  EXPECT_GE(tracer_->lost()["drops"] - lost, kMore);
}

TEST_F(DropsTest, ItCanBeSwitchedOff) {
  TracerOptions options = options_from_environment();
  options.drops = Calls::off;
  auto own = Tracer::open(options);
  EXPECT_FALSE(own->drops());
  for (const FactCoverage& line : own->coverage()) {
    if (line.fact != FactId::drops) continue;
    EXPECT_THAT(line.attempts.front().why_not, testing::HasSubstr("--drops off"));
  }
  auto stopped = Tracer::open(options_from_environment());
  ASSERT_TRUE(stopped->drops());
  stopped->stop(FactId::drops, "over the budget");
  EXPECT_FALSE(stopped->drops());
}

}  // namespace
}  // namespace tcpadvisor::kernel::drops_test
