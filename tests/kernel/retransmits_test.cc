// SPDX-License-Identifier: Apache-2.0
// Every kind of retransmission is made to happen, and what our hook counts is compared with what the kernel's own
// counters of the namespace say.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "bpf/abi.h"
#include "tests/kernel/kernel_test.h"
#include "tests/kernel/lossy_wire.h"

namespace tcpadvisor::kernel::retransmits_test {
namespace {

constexpr std::uint16_t kPort = 7'000;
constexpr int kOn = 1;

sockaddr_in at(const char* address) {
  sockaddr_in out = {};
  out.sin_family = AF_INET;
  out.sin_port = htons(kPort);
  inet_pton(AF_INET, address, &out.sin_addr);
  return out;
}

os::UniqueFd a_socket() {
  os::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) throw std::system_error(errno, std::generic_category(), "socket");
  return fd;
}

os::UniqueFd listen_at(const char* address) {
  os::UniqueFd fd = a_socket();
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &kOn, sizeof kOn);
  sockaddr_in here = at(address);
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&here), sizeof here), 0);
  EXPECT_EQ(listen(fd.get(), 16), 0);
  return fd;
}

/// Its end must not be sent again while the next test counts.
void end_at_once(int fd) {
  const linger reset = {.l_onoff = 1, .l_linger = 0};
  EXPECT_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
}

os::UniqueFd connect_at(const char* address) {
  os::UniqueFd fd = a_socket();
  sockaddr_in there = at(address);
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&there), sizeof there), 0);
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &kOn, sizeof kOn);
  end_at_once(fd.get());
  return fd;
}

/// The kernel's counters of the namespace of the calling thread.
std::map<std::string, std::uint64_t> kernel_counters() {
  std::map<std::string, std::uint64_t> out;
  for (const char* file : {"/proc/thread-self/net/netstat", "/proc/thread-self/net/snmp"}) {
    std::ifstream lines(file);
    std::string names, values;
    while (std::getline(lines, names) && std::getline(lines, values)) {
      std::istringstream name(names), value(values);
      std::string group, key;
      name >> group;
      value >> key;
      std::int64_t number = 0;
      while (name >> key && value >> number) out[group + key] = static_cast<std::uint64_t>(number);
    }
  }
  return out;
}

class RetransmitsTest : public KernelTest {
 protected:
  void SetUp() override {
    KernelTest::SetUp();
    if (IsSkipped()) return;
    if (!tracer_->retransmits()) GTEST_SKIP() << "no hook sees what is sent again here";
    std::string why_not;
    if (!wire_.start(why_not)) GTEST_SKIP() << why_not;
    wire_.at_far_end([&] { far_listener_ = listen_at(traffic::kFarAddress); });
    begin();
  }

  void begin() {
    before_ = kernel_counters();
    counted_before_ = counted();
  }

  static RetransmitCounts counted() {
    RetransmitCounts sum;
    for (const Retransmits& one : tracer_->retransmits().value_or(std::vector<Retransmits>{})) {
      if (one.destination.ip_text() != traffic::kFarAddress) continue;
      for (auto kind : kRetransmitKinds) sum.*kind += one.segments.*kind;
    }
    return sum;
  }
  /// Since the test began.
  RetransmitCounts again() const {
    RetransmitCounts now = counted();
    for (auto kind : kRetransmitKinds) now.*kind -= counted_before_.*kind;
    return now;
  }
  std::uint64_t kernel(const std::string& name) const {
    auto now = kernel_counters();
    return now[name] - (before_.contains(name) ? before_.at(name) : 0);
  }

  /// A connection with a round trip that is known, and its other end.
  traffic::Pair connected() {
    traffic::Pair out;
    out.client = connect_at(traffic::kFarAddress);
    out.server.reset(accept(far_listener_.get(), nullptr, nullptr));
    end_at_once(out.server.get());
    for (int i = 0; i < 4; ++i) {
      traffic::send_exactly(out.client.get(), 100);
      traffic::receive_exactly(out.server.get(), 100);
      traffic::send_exactly(out.server.get(), 100);
      traffic::receive_exactly(out.client.get(), 100);
    }
    begin();  // on a busy machine some of that may have been sent again
    return out;
  }

  /// What holds of every test: nothing is missed, and nothing counted twice.
  void expect_what_the_kernel_counts() const {
    // Something may be sent again between the two looks.
    EXPECT_TRUE(eventually([&] { return again().total() == kernel("Tcp:RetransSegs"); }));
    RetransmitCounts ours = again();
    EXPECT_EQ(ours.fast, kernel("TcpExt:TCPFastRetrans"));
    EXPECT_EQ(ours.after_timeout + ours.other, kernel("TcpExt:TCPSlowStartRetrans"));
    EXPECT_EQ(ours.syn + ours.syn_ack, kernel("TcpExt:TCPSynRetrans"));
    EXPECT_LE(ours.tail_probe, kernel("TcpExt:TCPLossProbes")) << "some carry new data";
    EXPECT_EQ(ours.total(), kernel("Tcp:RetransSegs"));
  }

  traffic::LossyWire wire_;
  os::UniqueFd far_listener_;
  std::map<std::string, std::uint64_t> before_;
  RetransmitCounts counted_before_;
};

constexpr std::size_t kSegments = 8, kBytes = 1'000 * kSegments;

TEST_F(RetransmitsTest, WhatAcknowledgementsTellOfIsFast) {
  auto pair = connected();
  wire_.lose_data = 1;
  for (std::size_t i = 0; i < kSegments; ++i) traffic::send_exactly(pair.client.get(), kBytes / kSegments);
  traffic::receive_exactly(pair.server.get(), kBytes);
  EXPECT_TRUE(eventually([&] { return again().fast == 1; })) << again().fast;
  EXPECT_EQ(again().total(), 1u);
  expect_what_the_kernel_counts();
}

TEST_F(RetransmitsTest, TheLastSegmentIsSentAgainByAProbe) {
  auto pair = connected();
  wire_.lose_data = 1;
  traffic::send_exactly(pair.client.get(), 500);
  traffic::receive_exactly(pair.server.get(), 500);
  EXPECT_TRUE(eventually([&] { return again().tail_probe == 1; }));
  EXPECT_EQ(kernel("TcpExt:TCPLossProbes"), 1u);
  const RetransmitCounts sent = again();  // where the machine is slow the timer runs out as well
  EXPECT_EQ(sent.total() - sent.timeout, 1u);
  EXPECT_EQ(sent.timeout, kernel("TcpExt:TCPTimeouts"));
  expect_what_the_kernel_counts();
}

TEST_F(RetransmitsTest, WhereTheProbeIsLostTooTheTimerRunsOut) {
  auto pair = connected();
  wire_.lose_data = 3;
  traffic::send_exactly(pair.client.get(), 500);
  traffic::receive_exactly(pair.server.get(), 500);
  RetransmitCounts sent = again();
  EXPECT_EQ(sent.tail_probe, 1u);
  EXPECT_EQ(sent.timeout, 2u);
  EXPECT_EQ(sent.timeout, kernel("TcpExt:TCPTimeouts"));
  EXPECT_EQ(sent.total(), 3u);
  expect_what_the_kernel_counts();
}

TEST_F(RetransmitsTest, WhatLiesBehindATimeOutIsKnownByIt) {
  auto pair = connected();
  wire_.lose_data = kSegments + 1;  // and the probe
  for (std::size_t i = 0; i < kSegments; ++i) traffic::send_exactly(pair.client.get(), kBytes / kSegments);
  traffic::receive_exactly(pair.server.get(), kBytes);
  RetransmitCounts sent = again();
  EXPECT_EQ(sent.timeout, kernel("TcpExt:TCPTimeouts"));
  EXPECT_GT(sent.after_timeout, 0u);
  EXPECT_EQ(sent.fast, 0u);
  EXPECT_EQ(sent.other, 0u);
  expect_what_the_kernel_counts();
}

TEST_F(RetransmitsTest, WhatDoesNotFitThePathIsNoLoss) {
  auto pair = connected();
  wire_.refuse_data = 1;
  traffic::send_exactly(pair.client.get(), 1'400);
  traffic::receive_exactly(pair.server.get(), 1'400);
  RetransmitCounts sent = again();
  EXPECT_GE(sent.other, 1u);
  EXPECT_EQ(sent.total(), sent.other);
  expect_what_the_kernel_counts();
}

TEST_F(RetransmitsTest, AHandshakeThatIsNotAnswered) {
  wire_.lose_syn = 1;
  auto client = connect_at(traffic::kFarAddress);
  EXPECT_EQ(again().syn, 1u);
  EXPECT_EQ(again().total(), 1u);
  expect_what_the_kernel_counts();

  auto here = listen_at(traffic::kNearAddress);
  wire_.lose_syn_ack = 1;
  wire_.at_far_end([&] { connect_at(traffic::kNearAddress); });
  const RetransmitCounts sent = again();
  EXPECT_GE(sent.syn_ack, 1u);
  EXPECT_EQ(sent.total(), sent.syn + sent.syn_ack);
  expect_what_the_kernel_counts();
}

TEST_F(RetransmitsTest, WhatHasNoRoomIsCountedAsLostAndTakesNoRoomOfConnections) {
  constexpr std::size_t kMore = 60;
  std::vector<os::UniqueFd> fds;
  for (std::size_t i = 0; i < abi::TA_PEERS_SILENT + kMore; ++i) {
    os::UniqueFd& fd = fds.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_in there = at(traffic::kFarAddress);
    there.sin_addr.s_addr = htonl(ntohl(there.sin_addr.s_addr) + 256 + static_cast<std::uint32_t>(i));
    ASSERT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&there), sizeof there), -1);  // and nobody answers
  }
  EXPECT_TRUE(eventually([&] { return tracer_->lost()["retransmits"] >= kMore; }));
  EXPECT_GE(tracer_->retransmits()->size(), abi::TA_PEERS_SILENT);
  fds.clear();

  auto pair = connected();
  wire_.lose_data = 1;
  traffic::send_exactly(pair.client.get(), 500);
  traffic::receive_exactly(pair.server.get(), 500);
  EXPECT_TRUE(eventually([&] { return again().total() > 0; }));
}

}  // namespace
}  // namespace tcpadvisor::kernel::retransmits_test
