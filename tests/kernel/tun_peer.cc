// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/tun_peer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <vector>

namespace tcpadvisor::traffic {
namespace {

constexpr const char *kDevice = "script0", *kOurs = "10.79.0.1", *kTheirs = "10.79.0.2";
constexpr std::uint16_t kPort = 7'000, kSegment = 1'000;
constexpr std::uint8_t kWindowScale = 4;
constexpr std::uint32_t kFirst = 5'000;
constexpr std::size_t kHeaders = sizeof(iphdr) + sizeof(tcphdr);

std::uint16_t checksum(std::span<const std::uint8_t> bytes, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    const std::uint32_t low = i + 1 < bytes.size() ? bytes[i + 1] : 0;
    sum += static_cast<std::uint32_t>(bytes[i] << 8) | low;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return htons(static_cast<std::uint16_t>(~sum));
}

sockaddr_in address(const char* text, std::uint16_t port) {
  sockaddr_in out = {};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  inet_pton(AF_INET, text, &out.sin_addr);
  return out;
}

bool bring_up(std::string& why_not) {
  os::UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = {};
  std::strncpy(request.ifr_name, kDevice, IFNAMSIZ - 1);
  auto set = [&](unsigned long what, const char* text) {
    const sockaddr_in value = address(text, 0);
    std::memcpy(&request.ifr_addr, &value, sizeof value);
    return ioctl(fd.get(), what, &request) == 0;
  };
  bool done = set(SIOCSIFADDR, kOurs) && set(SIOCSIFNETMASK, "255.255.255.252");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  done = done && ioctl(fd.get(), SIOCSIFFLAGS, &request) == 0;
  if (!done) why_not = std::string("the TUN device gets no address: ") + std::strerror(errno);
  return done;
}

}  // namespace

TunPeer TunPeer::open(std::string& why_not) {
  TunPeer out;
  os::UniqueFd fd(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  ifreq request = {};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  std::strncpy(request.ifr_name, kDevice, IFNAMSIZ - 1);
  if (!fd || ioctl(fd.get(), TUNSETIFF, &request) != 0) {
    why_not = std::string("no TUN device: ") + std::strerror(errno);
    return out;
  }
  if (bring_up(why_not)) out.tun_ = std::move(fd);
  return out;
}

bool TunPeer::read_one(std::chrono::milliseconds patience) {
  pollfd wait{.fd = tun_.get(), .events = POLLIN, .revents = 0};
  if (poll(&wait, 1, static_cast<int>(patience.count())) != 1) return false;
  std::array<std::uint8_t, 2'048> buffer;
  const ssize_t size = read(tun_.get(), buffer.data(), buffer.size());
  if (size < static_cast<ssize_t>(kHeaders)) return size > 0;
  iphdr ip;
  tcphdr tcp;
  std::memcpy(&ip, buffer.data(), sizeof ip);
  if (ip.version != 4 || ip.protocol != IPPROTO_TCP) return true;
  std::memcpy(&tcp, buffer.data() + 4UL * ip.ihl, sizeof tcp);
  if (tcp.syn) {
    port_ = ntohs(tcp.source);
    first_ = ntohl(tcp.seq);
    next_ = first_ + 1;
  } else if (ntohs(tcp.source) == port_ && ntohl(tcp.seq) == next_) {
    next_ += static_cast<std::uint32_t>(size) - 4U * ip.ihl - 4U * tcp.doff;
  }
  return true;
}

os::UniqueFd TunPeer::connect() {
  os::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_in to = address(kTheirs, kPort);
  if (!fd) return fd;
  // It stands once we have answered.
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 && errno != EINPROGRESS) return fd;
  port_ = 0;
  while (port_ == 0 && read_one(std::chrono::milliseconds(1'000))) {
  }
  sent_ = kFirst;
  put(TH_SYN | TH_ACK, next_, 65'535, 0);
  ++sent_;
  pollfd wait{.fd = fd.get(), .events = POLLOUT, .revents = 0};
  poll(&wait, 1, 1'000);
  fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) & ~O_NONBLOCK);
  take();
  return fd;
}

std::uint64_t TunPeer::take(std::chrono::milliseconds quiet) {
  while (read_one(quiet)) {
  }
  return taken();
}

void TunPeer::acknowledge(std::uint16_t window) {
  put(TH_ACK, next_, window, 0);
}

void TunPeer::send(std::size_t bytes, bool fin) {
  put(static_cast<std::uint8_t>(TH_ACK | TH_PUSH | (fin ? TH_FIN : 0)), next_, 65'535, bytes);
  sent_ += static_cast<std::uint32_t>(bytes) + (fin ? 1 : 0);
}

void TunPeer::put(std::uint8_t flags, std::uint32_t acknowledged, std::uint16_t window, std::size_t payload) {
  const std::size_t options = (flags & TH_SYN) != 0 ? 8 : 0;
  const std::size_t tcp_size = sizeof(tcphdr) + options + payload;
  std::vector<std::uint8_t> packet(sizeof(iphdr) + tcp_size, 'x');
  iphdr ip = {};
  ip.version = 4;
  ip.ihl = 5;
  ip.tot_len = htons(static_cast<std::uint16_t>(packet.size()));
  ip.ttl = 64;
  ip.protocol = IPPROTO_TCP;
  ip.saddr = address(kTheirs, 0).sin_addr.s_addr;
  ip.daddr = address(kOurs, 0).sin_addr.s_addr;
  std::memcpy(packet.data(), &ip, sizeof ip);
  ip.check = checksum(std::span(packet).first(sizeof ip));
  std::memcpy(packet.data(), &ip, sizeof ip);
  tcphdr tcp = {};
  tcp.source = htons(kPort);
  tcp.dest = htons(port_);
  tcp.seq = htonl(sent_);
  tcp.ack_seq = htonl(acknowledged);
  tcp.doff = (sizeof(tcphdr) + options) / 4;
  tcp.th_flags = flags;
  tcp.window = htons(window);
  std::memcpy(packet.data() + sizeof ip, &tcp, sizeof tcp);
  if (options != 0) {
    const std::array<std::uint8_t, 8> offers = {2, 4, kSegment >> 8, kSegment & 0xff, 1, 3, 3, kWindowScale};
    std::memcpy(packet.data() + kHeaders, offers.data(), offers.size());
  }
  // The pseudo header: both addresses (the last 8 bytes of the IP header), protocol and length.
  const auto pseudo = static_cast<std::uint32_t>(IPPROTO_TCP + tcp_size);
  tcp.check = checksum(std::span(packet).subspan(sizeof ip - 8), pseudo);
  std::memcpy(packet.data() + sizeof ip, &tcp, sizeof tcp);
  (void)!write(tun_.get(), packet.data(), packet.size());
}

}  // namespace tcpadvisor::traffic
