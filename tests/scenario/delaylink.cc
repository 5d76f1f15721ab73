// SPDX-License-Identifier: Apache-2.0
#include "tests/scenario/delaylink.h"

#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <vector>

#include "tests/scenario/netns.h"
#include "tests/scenario/tun.h"

namespace tcpfault {
namespace {

constexpr std::size_t kMaxPacketBytes = 9216;
constexpr std::chrono::microseconds kLateBy{3'000};
constexpr ssize_t kWithData = 100;  // bytes; an acknowledgement has fewer
constexpr const char* kDevice = "fault0";

/// Packets on their way in one direction.
class Lane {
 public:
  Lane(int from, int to, const DelayLinkOptions& options) : from_(from), to_(to), options_(options) {}

  /// Takes what has arrived at the near end, until `now` is a little older.
  void take(Clock::time_point now) {
    std::array<char, kMaxPacketBytes> buffer;
    for (int burst = 0; burst < 64; ++burst) {
      const ssize_t size = read(from_, buffer.data(), buffer.size());
      if (size <= 0) {
        return;
      }
      if (queued_bytes_ + static_cast<std::size_t>(size) > options_.queue_bytes ||
          loses({buffer.data(), static_cast<std::size_t>(size)})) {
        continue;
      }
      const auto serialization =
          std::chrono::nanoseconds(static_cast<std::uint64_t>(size) * 8 * 1'000'000'000 / options_.rate_bits_per_s);
      line_free_ = std::max(line_free_, now) + serialization;
      const bool late = hits(size, options_.late_per_million);
      (late ? late_ : queue_)
          .push_back({line_free_ + options_.one_way_delay + (late ? kLateBy : std::chrono::microseconds(0)),
                      {buffer.begin(), buffer.begin() + size}});
      queued_bytes_ += static_cast<std::size_t>(size);
    }
  }

  void deliver(Clock::time_point now) {
    for (std::deque<Packet>* queue : {&queue_, &late_}) {
      while (!queue->empty() && queue->front().due <= now) {
        // A full device queue loses the packet, as a network would.
        (void)!write(to_, queue->front().bytes.data(), queue->front().bytes.size());
        queued_bytes_ -= queue->front().bytes.size();
        queue->pop_front();
      }
    }
  }

  std::optional<Clock::time_point> next_due() const {
    std::optional<Clock::time_point> due;
    for (const std::deque<Packet>* queue : {&queue_, &late_}) {
      if (!queue->empty()) {
        due = std::min(due.value_or(queue->front().due), queue->front().due);
      }
    }
    return due;
  }
  int near_end() const { return from_; }

 private:
  bool hits(ssize_t size, std::uint32_t per_million) {
    constexpr std::uint32_t kMillion = 1'000'000;
    return per_million > 0 && size >= kWithData && dice_() % kMillion < per_million;
  }

  /// The first SYN of a connection, IPv4; one that is sent again passes.
  bool is_lost_syn(std::span<const char> packet) {
    iphdr ip{};
    tcphdr tcp{};
    if (options_.lost_syns_every == 0 || packet.size() < sizeof ip + sizeof tcp) {
      return false;
    }
    std::memcpy(&ip, packet.data(), sizeof ip);
    std::memcpy(&tcp, packet.data() + sizeof ip, sizeof tcp);
    if (ip.version != 4 || ip.ihl != 5 || ip.protocol != IPPROTO_TCP || tcp.syn == 0 || tcp.ack != 0) {
      return false;
    }
    if (lost_from_.erase(tcp.source) > 0 || ++syns_ % options_.lost_syns_every != 0) {
      return false;
    }
    lost_from_.insert(tcp.source);
    return true;
  }

  bool loses(std::span<const char> packet) {
    if (is_lost_syn(packet)) {
      return true;
    }
    const auto size = static_cast<ssize_t>(packet.size());
    return (options_.largest_bytes > 0 && size > options_.largest_bytes) || hits(size, options_.lost_per_million);
  }

  struct Packet {
    Clock::time_point due;
    std::vector<char> bytes;
  };
  int from_, to_;
  DelayLinkOptions options_;
  Clock::time_point line_free_{};
  std::size_t queued_bytes_ = 0;
  std::deque<Packet> queue_, late_;
  int syns_ = 0;
  std::set<std::uint16_t> lost_from_;  ///< ports whose SYN was lost, until it comes again
  std::mt19937 dice_;                  // NOLINT: always the same losses
};

/// Carried late, a packet has another round-trip time: on a busy machine we go first. A few percent of one processor.
void go_first() {
  const sched_param first{.sched_priority = 1};
  (void)sched_setscheduler(0, SCHED_FIFO, &first);  // where it is not allowed, the time is less exact
  prctl(PR_SET_TIMERSLACK, 1'000UL);                // the default of 50 us would be added to every packet
}

void carry_for_ever(int tun_a, int tun_b, const DelayLinkOptions& options) {
  go_first();
  std::array lanes{Lane(tun_a, tun_b, options), Lane(tun_b, tun_a, options)};
  for (;;) {
    const auto now = Clock::now();
    auto wake = now + std::chrono::seconds(1);
    for (Lane& lane : lanes) {
      lane.deliver(now);
      lane.take(now);
      wake = std::min(wake, lane.next_due().value_or(wake));
    }
    const auto wait = std::chrono::duration_cast<std::chrono::nanoseconds>(std::max(wake - Clock::now(), {}));
    const timespec timeout{.tv_sec = wait.count() / 1'000'000'000, .tv_nsec = wait.count() % 1'000'000'000};
    std::array<pollfd, 2> ends{{{lanes[0].near_end(), POLLIN, 0}, {lanes[1].near_end(), POLLIN, 0}}};
    ppoll(ends.data(), ends.size(), &timeout, nullptr);
  }
}

}  // namespace

FarSide add_far_side(Stage& stage, bool private_netns, const DelayLinkOptions& options) {
  if (!private_netns) {
    throw Skip("a path with a round-trip time needs network namespaces of its own (--own-netns)");
  }
  const int here = this_netns();
  enter_new_netns();
  const int there = this_netns();
  join_netns(here);
  start_delay_link(stage, here, there, options);
  return {here, there};
}

void start_delay_link(Stage& stage, int netns_a, int netns_b, const DelayLinkOptions& options) {
  const Actor link = stage.start("tcpfault-link", [=](const Channel& channel) {
    const int tun_a = open_tun(netns_a, kDevice, kLinkAddressA, options.mtu_bytes);
    const int tun_b = open_tun(netns_b, kDevice, kLinkAddressB, options.mtu_bytes);
    channel.say(1);
    carry_for_ever(tun_a, tun_b, options);
  });
  link.channel.hear();
}

}  // namespace tcpfault
