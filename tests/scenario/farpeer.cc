// SPDX-License-Identifier: Apache-2.0
#include "tests/scenario/farpeer.h"

#include <arpa/inet.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <map>
#include <optional>
#include <span>

#include "tests/scenario/segment.h"
#include "tests/scenario/tun.h"

namespace tcpfault {
namespace {

constexpr const char* kOurAddress = "10.78.0.1";
constexpr std::uint32_t kFirstSequence = 1'000;  // the same for all: we never send a byte, so there is no state to keep

/// The first sequence number of a client, by its port; only one that does not read has to remember it.
using Begun = std::map<std::uint16_t, std::uint32_t>;

/// What the far peer says to a segment: SYN gets SYN and ACK, data and FIN get an ACK, the rest silence. One that does
/// not read says to all but SYN that it has taken nothing yet and has no room.
std::optional<Segment> answer_to(std::span<const std::uint8_t> packet, FarPeer kind, Begun& begun) {
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
  const bool reads = kind == FarPeer::takes_all;
  if (reads && taken == 0) {
    return std::nullopt;
  }
  if (in.tcp.syn) {
    begun[in.tcp.source] = ntohl(in.tcp.seq);
  }
  Segment out = segment_between(in.ip.daddr, in.tcp.dest, in.ip.saddr, in.tcp.source);
  out.tcp.seq = htonl(kFirstSequence + (in.tcp.syn ? 0 : 1));
  out.tcp.ack_seq = htonl(reads ? ntohl(in.tcp.seq) + taken : begun[in.tcp.source] + 1);
  out.tcp.syn = in.tcp.syn;
  out.tcp.ack = 1;
  if (!reads) {
    out.tcp.window = 0;
  }
  seal(out);
  return out;
}

}  // namespace

Actor start_far_peer(Stage& stage, int netns_fd, FarPeer kind) {
  const Actor peer = stage.start("tcpfault-far", [=](const Channel& channel) {
    const int tun = open_tun(netns_fd, "far0", kOurAddress);
    channel.say(1);
    std::array<std::uint8_t, 2048> buffer;
    Begun begun;
    for (;;) {
      pollfd wait{.fd = tun, .events = POLLIN, .revents = 0};
      poll(&wait, 1, -1);
      const ssize_t size = read(tun, buffer.data(), buffer.size());
      if (size <= 0) {
        continue;
      }
      if (const auto answer = answer_to(std::span(buffer).first(static_cast<std::size_t>(size)), kind, begun)) {
        (void)!write(tun, &*answer, sizeof *answer);  // a lost answer is asked for again
      }
    }
  });
  peer.channel.hear();
  return peer;
}

}  // namespace tcpfault
