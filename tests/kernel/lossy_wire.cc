// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/lossy_wire.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <optional>

namespace tcpadvisor::traffic {
namespace {

constexpr std::uint16_t kNarrowMtu = 1'000;

/// A TUN device in the namespace of the calling thread.
os::UniqueFd open_tun(const char* address) {
  os::UniqueFd tun(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!tun) return {};
  os::UniqueFd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = {};
  std::strcpy(request.ifr_name, "wire0");
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (ioctl(tun.get(), TUNSETIFF, &request) != 0) return {};
  for (auto [command, text] : {std::pair(SIOCSIFADDR, address), std::pair(SIOCSIFNETMASK, "255.255.0.0")}) {
    sockaddr_in value = {};
    value.sin_family = AF_INET;
    inet_pton(AF_INET, text, &value.sin_addr);
    std::memcpy(&request.ifr_addr, &value, sizeof value);
    if (ioctl(any.get(), command, &request) != 0) return {};
  }
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl(any.get(), SIOCSIFFLAGS, &request) != 0) return {};
  return tun;
}

bool take_one(std::atomic<int>& left) {
  return left > 0 && left-- > 0;
}

std::uint16_t checksum(std::span<const std::uint8_t> bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum += static_cast<std::uint32_t>(bytes[i] << 8 | bytes[i + 1]);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return htons(static_cast<std::uint16_t>(~sum));
}

/// "Fragmentation needed", about this packet, from where it went to.
std::array<std::uint8_t, 56> too_large(std::span<const std::uint8_t> packet) {
  std::array<std::uint8_t, 56> out = {};
  iphdr ip = {}, about = {};
  std::memcpy(&about, packet.data(), sizeof about);
  ip.version = 4;
  ip.ihl = 5;
  ip.tot_len = htons(sizeof out);
  ip.ttl = 64;
  ip.protocol = IPPROTO_ICMP;
  ip.saddr = about.daddr;
  ip.daddr = about.saddr;
  icmphdr icmp = {};
  icmp.type = ICMP_DEST_UNREACH;
  icmp.code = ICMP_FRAG_NEEDED;
  icmp.un.frag.mtu = htons(kNarrowMtu);
  std::memcpy(out.data(), &ip, sizeof ip);
  ip.check = checksum(std::span(out).first(sizeof ip));
  std::memcpy(out.data(), &ip, sizeof ip);
  std::memcpy(out.data() + 20, &icmp, sizeof icmp);
  std::memcpy(out.data() + 28, packet.data(), 28);
  icmp.checksum = checksum(std::span(out).subspan(20));
  std::memcpy(out.data() + 20, &icmp, sizeof icmp);
  return out;
}

struct Parsed {
  bool syn = false, ack = false, data = false;
};
std::optional<Parsed> parse(std::span<const std::uint8_t> packet) {
  iphdr ip = {};
  tcphdr tcp = {};
  if (packet.size() < sizeof ip + sizeof tcp) return std::nullopt;
  std::memcpy(&ip, packet.data(), sizeof ip);
  if (ip.version != 4 || ip.ihl != 5 || ip.protocol != IPPROTO_TCP) return std::nullopt;
  std::memcpy(&tcp, packet.data() + sizeof ip, sizeof tcp);
  return Parsed{tcp.syn != 0, tcp.ack != 0, packet.size() > sizeof ip + std::size_t{tcp.doff} * 4};
}

}  // namespace

LossyWire::~LossyWire() {
  stop_ = true;
  if (carrier_.joinable()) carrier_.join();
}

bool LossyWire::start(std::string& why_not) {
  near_ = open_tun(kNearAddress);
  std::thread([&] {
    if (unshare(CLONE_NEWNET) != 0) return;
    far_netns_.reset(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    far_ = open_tun(kFarAddress);
  }).join();
  if (!near_ || !far_) {
    why_not = "needs /dev/net/tun for a wire of its own";
    return false;
  }
  carrier_ = std::thread([this] { carry(); });
  return true;
}

void LossyWire::at_far_end(const std::function<void()>& work) const {
  std::thread([&] {
    if (setns(far_netns_.get(), CLONE_NEWNET) == 0) work();
  }).join();
}

bool LossyWire::loses(std::span<const std::uint8_t> packet, bool from_here) {
  auto parsed = parse(packet);
  if (!parsed) return false;
  if (parsed->syn) return parsed->ack ? take_one(lose_syn_ack) : from_here && take_one(lose_syn);
  if (!from_here || !parsed->data) return false;
  if (take_one(refuse_data)) {
    auto answer = too_large(packet);
    (void)!write(near_.get(), answer.data(), answer.size());
    return true;
  }
  return take_one(lose_data);
}

void LossyWire::carry() {
  std::array<std::uint8_t, 2048> buffer;
  while (!stop_) {
    std::array<pollfd, 2> ends = {{{near_.get(), POLLIN, 0}, {far_.get(), POLLIN, 0}}};
    if (poll(ends.data(), ends.size(), 50) <= 0) continue;
    for (bool from_here : {true, false}) {
      ssize_t size = read(from_here ? near_.get() : far_.get(), buffer.data(), buffer.size());
      if (size <= 0) continue;
      auto packet = std::span<const std::uint8_t>(buffer).first(static_cast<std::size_t>(size));
      if (!loses(packet, from_here)) (void)!write(from_here ? far_.get() : near_.get(), packet.data(), packet.size());
    }
  }
}

}  // namespace tcpadvisor::traffic
