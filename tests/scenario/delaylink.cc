// SPDX-License-Identifier: Apache-2.0
#include "tests/scenario/delaylink.h"

#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <vector>

#include "tests/scenario/tun.h"

namespace tcpfault {
namespace {

constexpr int kMtuBytes = 9000;  // few and large packets: each costs two system calls
constexpr std::size_t kMaxPacketBytes = 9216;
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
      if (queued_bytes_ + static_cast<std::size_t>(size) > options_.queue_bytes) {
        continue;
      }
      const auto serialization =
          std::chrono::nanoseconds(static_cast<std::uint64_t>(size) * 8 * 1'000'000'000 / options_.rate_bits_per_s);
      line_free_ = std::max(line_free_, now) + serialization;
      queue_.push_back({line_free_ + options_.one_way_delay, {buffer.begin(), buffer.begin() + size}});
      queued_bytes_ += static_cast<std::size_t>(size);
    }
  }

  void deliver(Clock::time_point now) {
    while (!queue_.empty() && queue_.front().due <= now) {
      // A full device queue loses the packet, as a network would.
      (void)!write(to_, queue_.front().bytes.data(), queue_.front().bytes.size());
      queued_bytes_ -= queue_.front().bytes.size();
      queue_.pop_front();
    }
  }

  std::optional<Clock::time_point> next_due() const {
    return queue_.empty() ? std::nullopt : std::optional(queue_.front().due);
  }
  int near_end() const { return from_; }

 private:
  struct Packet {
    Clock::time_point due;
    std::vector<char> bytes;
  };
  int from_, to_;
  DelayLinkOptions options_;
  Clock::time_point line_free_{};
  std::size_t queued_bytes_ = 0;
  std::deque<Packet> queue_;
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

void start_delay_link(Stage& stage, int netns_a, int netns_b, const DelayLinkOptions& options) {
  const Actor link = stage.start("tcpfault-link", [=](const Channel& channel) {
    const int tun_a = open_tun(netns_a, kDevice, kLinkAddressA, kMtuBytes);
    const int tun_b = open_tun(netns_b, kDevice, kLinkAddressB, kMtuBytes);
    channel.say(1);
    carry_for_ever(tun_a, tun_b, options);
  });
  link.channel.hear();
}

}  // namespace tcpfault
