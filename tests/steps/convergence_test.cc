// SPDX-License-Identifier: Apache-2.0
// Advice about the maxima of buffers leads somewhere: on made-up paths the change is made that was advised, and the
// host is judged again. At most three changes, never back, and none once the path is full.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>

#include "advisor/base/saturate.h"
#include "advisor/verdict/verdict.h"
#include "tests/unit/builders.h"

namespace tcpadvisor::convergence_test {
namespace {

using build::a_socket;
using build::SampleBuilder;

std::uint64_t paths() {
  const char* wanted = std::getenv("TCPADVISOR_PATHS");
  return wanted == nullptr ? 2'000 : std::strtoull(wanted, nullptr, 10);
}

const Policy& lab() {
  static const Policy policy = *Policy::named("lab");
  return policy;
}

constexpr double kShows = 1.36;  // a round trip 1.15 times as long, 0.85 of the window used

/// A flow over a path whose rate, length and queue are known, and a buffer that may be so large.
struct Path {
  double link = 0;      ///< bytes per second
  double rtt_s = 0;     ///< with empty queues
  double queue_s = 0;   ///< of waiting that the path's queue holds before it drops
  double per_byte = 1;  ///< payload in flight per byte of buffer
  bool receives = true;
  std::uint64_t ram = 24ull << 30;

  double window(std::uint64_t cap) const { return static_cast<double>(cap) * per_byte; }
  double rate(std::uint64_t cap) const { return std::min(link, window(cap) / rtt_s); }
  bool full(std::uint64_t cap) const { return window(cap) >= link * rtt_s; }
  /// So full that it shows: a queue of a few percent of the round trip cannot be told from jitter.
  bool clearly_full(std::uint64_t cap) const { return window(cap) >= kShows * link * rtt_s; }
  /// What is more in flight than the path holds waits in its queue.
  double rtt_now(std::uint64_t cap) const {
    return std::clamp(std::min(window(cap), 2 * link * (rtt_s + queue_s)) / link, rtt_s, rtt_s + queue_s);
  }
};

Path a_path(std::mt19937_64& random) {
  auto log_between = [&](double least, double most) {
    return std::exp(std::uniform_real_distribution<>(std::log(least), std::log(most))(random));
  };
  Path path;
  path.receives = random() % 2 == 0;
  path.link = log_between(1.5e6, 2.5e9);
  path.rtt_s = log_between(0.002, 0.3);
  path.queue_s = path.rtt_s * std::uniform_real_distribution<>(0, 2)(random);
  // Send buffers count what is sent and what waits, and the memory of both; receive buffers segments of any size.
  path.per_byte = path.receives ? std::uniform_real_distribution<>(0.3, 0.9)(random)
                                : std::uniform_real_distribution<>(0.5, 0.76)(random);
  path.ram = 1ull << std::uniform_int_distribution<int>(29, 37)(random);
  return path;
}

SocketRow receiver(const Path& path, std::uint64_t cap, std::size_t i) {
  const double rate = path.rate(cap), rtt = path.rtt_now(cap);
  // It grows to twice of what comes in a round trip, if it may.
  const auto buffer = std::min(cap, to_u64(2 * path.link * rtt / path.per_byte));
  return a_socket().cookie(1).pid(3, "sink").rcvbuf(buffer, buffer / 20).set([&](SocketRow& row) {
    row.bytes_received = to_u64(rate * static_cast<double>(i));
    row.rcv_rtt_us = static_cast<std::uint32_t>(rtt * 1e6);
    row.min_rtt_us = static_cast<std::uint32_t>(path.rtt_s * 1e6);
    row.rcv_wnd = static_cast<std::uint32_t>(path.window(buffer));
    row.scaling_ratio = static_cast<std::uint8_t>(path.per_byte * 256);
  });
}

SocketRow sender(const Path& path, std::uint64_t cap, std::size_t i) {
  const double rate = path.rate(cap), rtt = path.rtt_now(cap);
  const double limited = path.full(cap) ? 0 : std::max(0.1, 1 - rate / path.link);
  const auto buffer = std::min(cap, to_u64(2 * path.link * rtt / path.per_byte));
  return a_socket().cookie(2).pid(4, "source").sndbuf(buffer, buffer).set([&](SocketRow& row) {
    row.busy_us = 1'000'000 * i;
    row.sndbuf_limited_us = to_u64(limited * 1e6 * static_cast<double>(i));
    row.rwnd_limited_us = 0;
    row.bytes_acked = to_u64(rate * static_cast<double>(i));
    row.srtt_us = static_cast<std::uint32_t>(rtt * 1e6);
    row.min_rtt_us = static_cast<std::uint32_t>(path.rtt_s * 1e6);
    row.data_segs_out = static_cast<std::uint32_t>(rate * static_cast<double>(i) / 1448);
    row.total_retrans = 0;
  });
}

std::string_view knob_of(const Path& path) {
  return path.receives ? "net.ipv4.tcp_rmem" : "net.ipv4.tcp_wmem";
}

Verdict judged(const Path& path, std::uint64_t cap, const Standing& before) {
  const Window window = build::a_window(8, [&](SampleBuilder& sample, std::size_t i) {
    const auto value = values_of({cap}).front();
    sample.count(TcpState::established, 1).add(path.receives ? receiver(path, cap, i) : sender(path, cap, i));
    sample.sysctl(std::string(knob_of(path)), {4096, std::min<std::int64_t>(16'384, value), value});
    sample.set([&](Sample& one) {
      one.host.mem_bytes = path.ram;
      const std::uint64_t pages = path.ram / 4096;
      one.memory.limits_pages = {{pages * 3 / 64, pages / 16, pages * 6 / 64}};
    });
  });
  return judge(window, lab(), before);
}

/// The maximum that is advised now; nothing if none is.
std::optional<std::uint64_t> advised(const Verdict& verdict, std::string_view knob) {
  for (const Finding& finding : verdict.findings) {
    const Boxed<Change>& change = finding.recommendation.change;
    if (change && change->knob == knob) return to_u64(change->target.back());
  }
  return std::nullopt;
}

struct Course {
  std::vector<std::uint64_t> caps;
  double first_rate = 0, last_rate = 0;
};

/// Does what it is told until nothing more is said.
Course follow(const Path& path, std::uint64_t cap, bool stands) {
  constexpr std::size_t kTooMany = 6;
  Course course{.caps = {cap}, .first_rate = path.rate(cap), .last_rate = 0};
  Standing before;
  while (course.caps.size() <= kTooMany) {
    const Verdict verdict = judged(path, course.caps.back(), before);
    if (stands) before = verdict.standing;
    const auto next = advised(verdict, knob_of(path));
    if (!next) break;
    course.caps.push_back(*next);
  }
  course.last_rate = path.rate(course.caps.back());
  return course;
}

void expect_ends(const Path& path, const Course& course) {
  EXPECT_LE(course.caps.size() - 1, 3u) << "changes";
  EXPECT_TRUE(std::ranges::is_sorted(course.caps)) << "never back";
  EXPECT_LE(course.caps.back(), std::max<std::uint64_t>(64ull << 20, course.caps.front()));
  for (std::size_t i = 1; i + 1 < course.caps.size(); ++i)
    EXPECT_FALSE(path.clearly_full(course.caps[i])) << "change " << i + 1 << " of a path that was full";
}

TEST(Convergence, the_advised_maximum_is_reached_in_three_steps_and_stays) {
  std::mt19937_64 random(20'261'130);
  std::size_t changed = 0, came_to_the_rate = 0, twice = 0;
  for (std::uint64_t n = 0; n < paths() && !HasFailure(); ++n) {
    const Path path = a_path(random);
    const auto cap = to_u64(std::exp(std::uniform_real_distribution<>(std::log(65'536), std::log(64 << 20))(random)));
    SCOPED_TRACE(fmt::format("path {}: {:.1f} Mbit/s, {:.1f} ms, {}, cap {}, RAM {}", n, path.link * 8 / 1e6,
                             path.rtt_s * 1e3, knob_of(path), cap, path.ram));
    const Course course = follow(path, cap, false), watched = follow(path, cap, true);
    SCOPED_TRACE(fmt::format("caps {}; watched {}", fmt::join(course.caps, " "), fmt::join(watched.caps, " ")));
    expect_ends(path, course);
    expect_ends(path, watched);
    EXPECT_GE(course.last_rate, course.first_rate);
    changed += course.caps.size() > 1 ? 1 : 0;
    twice += course.caps.size() > 2 ? 1 : 0;
    came_to_the_rate += course.caps.size() > 1 && course.last_rate >= 0.95 * path.link ? 1 : 0;
  }
  RecordProperty("changed", static_cast<int>(changed));
  RecordProperty("came_to_the_rate", static_cast<int>(came_to_the_rate));
  EXPECT_GT(changed, paths() / 5) << "paths on which nothing is advised prove nothing";
  EXPECT_GT(twice, 0u);
  EXPECT_GT(came_to_the_rate, changed / 2) << "the others are held by memory, or by what one flow may take";
}

/// 400 Mbit/s x 50 ms = 2.5 MB: at 2.5 MB the advised value brings the path's rate and then all is fine; at 8 MB
/// nothing is said.
TEST(Convergence, the_path_of_the_checks) {
  for (const bool receives : {true, false}) {
    SCOPED_TRACE(receives ? "receives" : "sends");
    const Path path{.link = 50e6, .rtt_s = 0.05, .queue_s = 0.05, .per_byte = 0.5, .receives = receives};
    const Course course = follow(path, 2'500'000, false);
    EXPECT_LE(course.caps.size(), 3u);
    EXPECT_GE(course.last_rate, 0.95 * path.link);
    EXPECT_FALSE(advised(judged(path, course.caps.back(), {}), knob_of(path)));
    EXPECT_FALSE(advised(judged(path, 8'000'000, {}), knob_of(path)));
  }
}

}  // namespace
}  // namespace tcpadvisor::convergence_test
