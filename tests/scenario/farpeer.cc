// SPDX-License-Identifier: Apache-2.0
#include "tests/scenario/farpeer.h"

#include <arpa/inet.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <optional>
#include <span>

#include "tests/scenario/segment.h"
#include "tests/scenario/tun.h"

namespace tcpfault {
namespace {

constexpr const char* kOurAddress = "10.78.0.1";
constexpr std::uint32_t kFirstSequence = 1'000;  // the same for all: we never send a byte, so there is no state to keep

/// What the far peer says to a segment: SYN gets SYN and ACK, data and FIN get an ACK, the rest silence.
std::optional<Segment> answer_to(std::span<const std::uint8_t> packet) {
  Segment in;
  if (packet.size() < sizeof in) {
    return std::nullopt;
  }
  std::memcpy(&in, packet.data(), sizeof in);
  if (in.ip.version != 4 || in.ip.ihl != 5 || in.ip.protocol != IPPROTO_TCP || in.tcp.rst) {
    return std::nullopt;
  }
  const auto payload = static_cast<std::uint32_t>(packet.size() - sizeof(iphdr) - in.tcp.doff * 4U);
  const std::uint32_t taken = payload + in.tcp.syn + in.tcp.fin;
  if (taken == 0) {
    return std::nullopt;
  }
  Segment out = segment_between(in.ip.daddr, in.tcp.dest, in.ip.saddr, in.tcp.source);
  out.tcp.seq = htonl(kFirstSequence + (in.tcp.syn ? 0 : 1));
  out.tcp.ack_seq = htonl(ntohl(in.tcp.seq) + taken);
  out.tcp.syn = in.tcp.syn;
  out.tcp.ack = 1;
  seal(out);
  return out;
}

}  // namespace

Actor start_far_peer(Stage& stage, int netns_fd) {
  const Actor peer = stage.start("tcpfault-far", [=](const Channel& channel) {
    const int tun = open_tun(netns_fd, "far0", kOurAddress);
    channel.say(1);
    std::array<std::uint8_t, 2048> buffer;
    for (;;) {
      pollfd wait{.fd = tun, .events = POLLIN, .revents = 0};
      poll(&wait, 1, -1);
      const ssize_t size = read(tun, buffer.data(), buffer.size());
      if (size <= 0) {
        continue;
      }
      if (const auto answer = answer_to(std::span(buffer).first(static_cast<std::size_t>(size)))) {
        (void)!write(tun, &*answer, sizeof *answer);  // a lost answer is asked for again
      }
    }
  });
  peer.channel.hear();
  return peer;
}

}  // namespace tcpfault
