// SPDX-License-Identifier: Apache-2.0
// A crowded host is few series, the same ones at every scrape, and nothing is lost in what they add up to.
#include <gmock/gmock.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <numeric>
#include <set>
#include <vector>

#include "agent/export/exposition.h"
#include "agent/export/metric_labels.h"
#include "agent/export/metrics.h"
#include "tests/unit/builders.h"

namespace tcpadvisor::exported::series_test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::uint32_t kConnections = 50'000, kPorts = 5'000, kGroups = 300;
constexpr Pid kFirstPid = 4'100'000;  // no other number of the host looks like one

Endpoint peer(std::uint32_t number, std::uint16_t port = 0) {
  return Endpoint::v4(10, static_cast<std::uint8_t>(number / 250), static_cast<std::uint8_t>(number % 250), 7, port);
}

/// 50,000 connections of 300 units, to 5,000 ports of their own and to thousands of peers with every trouble there is.
/// `shift`: how far the crowd has moved: groups and listeners grow and shrink by less than half.
void crowd(build::SampleBuilder& sample, std::uint32_t shift) {
  for (std::uint32_t i = 0; i < kGroups; ++i) {
    const std::uint32_t own = kConnections / kGroups + (i < kConnections % kGroups ? 1 : 0);
    const std::uint32_t moved = (i + shift) % 2 == 0 ? own / 10 : 0;
    sample.add(build::a_process(kFirstPid + i, "worker")
                   .sockets(TcpState::established, own - moved)
                   .sockets(TcpState::close_wait, moved)
                   .memory(1'000, 2'000, 100)
                   .cgroup("/system.slice/unit" + std::to_string(i) + ".service"));
  }
  for (std::uint32_t i = 0; i < kPorts; ++i) {
    const std::uint32_t waiting = 5 + (i * 7 + shift) % 3;
    sample.add(build::a_socket()
                   .cookie(100'000 + i)
                   .listen(static_cast<std::uint16_t>(1'000 + i), waiting, 128)
                   .drops(10 + shift)
                   .pid(kFirstPid + i % kGroups, "worker"));
  }
  for (std::uint32_t i = 0; i < 5'000; ++i) {
    sample.add(build::a_socket()
                   .cookie(200'000 + i)
                   .remote(peer(i, 443))
                   .pid(kFirstPid + i % kGroups, "worker")
                   .set([](SocketRow& row) { row.srtt_us = row.min_rtt_us = 700; }));
    sample.add(FailedConnects{.pid = kFirstPid + i, .comm = "worker", .destination = peer(i, 80), .count = 3 + shift});
    sample.add(Retransmits{.destination = peer(i), .segments = {.fast = 2 + shift, .timeout = 1}});
    sample.add(Drops{.port = static_cast<std::uint16_t>(1'000 + i), .reason = "NO_SOCKET", .segments = 4 + shift});
    sample.add(PortUse{.source = peer(9'000), .destination = peer(i, 80), .used = 10});
  }
  for (std::uint32_t i = 0; i < 100; ++i) {
    sample.add(build::a_user_queue().queued(100, 1'000).set([i](UserQueue& queue) {
      queue.pid = kFirstPid + i;
      queue.comm = "program" + std::to_string(i);
    }));
  }
  sample.set([](Sample& s) {
    for (std::uint32_t i = 0; i < kGroups; ++i) {
      s.cgroups.push_back({.id = i + 1,
                           .path = "/system.slice/unit" + std::to_string(i) + ".service",
                           .sock_bytes = 1,
                           .memory_current = 2,
                           .memory_max = 3,
                           .memory_high = {},
                           .events_max = 4,
                           .events_high = {}});
      NetnsSample& netns = s.netns.emplace_back(s.netns.front());
      netns.id = i + 1;
      netns.is_host = false;
      netns.name = i % 2 == 0 ? "ns" + std::to_string(i) : "pid:" + std::to_string(kFirstPid + i);
    }
    s.lifecycle.emplace();
    for (int i = 0; i < 100; ++i) s.lifecycle->resets_sent["REASON_" + std::to_string(i)] = 1;
  });
}

/// A server's life: one tick after the other, each scraped.
class Scraped {
 public:
  Families tick(std::uint32_t shift) {
    observe::Observation seen;
    seen.window = build::a_window(1, [&](build::SampleBuilder& sample, std::size_t) {
      sample.at(std::chrono::seconds(ticks_));
      crowd(sample, shift);
    });
    ++ticks_;
    tally_.see(seen);
    const MetricSource source{seen, tally_, numbers_, groups_, listeners_};
    return metric_families(&source);
  }

 private:
  int ticks_ = 0;
  AgentNumbers numbers_{.version = "1.2.3"};
  Tally tally_;
  std::vector<Labels> groups_, listeners_;
};

/// Made once: the host is large.
const Families& first_scrape() {
  static const Families made = Scraped().tick(0);
  return made;
}

const Family& family(const Families& all, const std::string& name) {
  const auto found = std::ranges::find(all.all(), "tcpadvisor_" + name, &Family::name);
  static const Family kNone;
  return found != all.all().end() ? *found : kNone;
}

double sum(const Families& all, const std::string& name) {
  const auto& points = family(all, name).points();
  return std::accumulate(points.begin(), points.end(), 0.0,
                         [](double so_far, const auto& point) { return so_far + point.second; });
}

std::uint64_t observations(const Families& all, const std::string& name) {
  std::uint64_t count = 0;
  for (const auto& [labels, histogram] : family(all, name).histograms())
    count = std::accumulate(histogram.counts.begin(), histogram.counts.end(), count);
  return count;
}

double folded(const Families& all, const std::string& what) {
  const auto& points = family(all, "folded").points();
  const auto found = points.find({what});
  return found == points.end() ? -1 : found->second;
}

std::set<std::string> series(const Families& all) {
  std::set<std::string> names;
  for (const Family& one : all.all()) {
    for (const auto& [labels, value] : one.points()) names.insert(one.name + ' ' + testing::PrintToString(labels));
    for (const auto& [labels, value] : one.histograms()) names.insert(one.name + ' ' + testing::PrintToString(labels));
  }
  return names;
}

TEST(Series, of_a_crowded_host_are_few_and_none_is_dropped) {
  const Families& all = first_scrape();
  EXPECT_LT(all.series(), 2'000U);
  EXPECT_EQ(sum(all, "series_dropped_total"), 0);
  EXPECT_EQ(sum(all, "series"), static_cast<double>(all.series()));
}

TEST(Series, that_have_names_and_other_are_the_whole) {
  const Families& all = first_scrape();
  EXPECT_EQ(sum(all, "group_connections"), kConnections);
  EXPECT_EQ(sum(all, "group_processes"), kGroups);
  EXPECT_EQ(sum(all, "group_queue_bytes"), kGroups * 100.0);
  EXPECT_EQ(sum(all, "group_buffer_memory_bytes"), kGroups * 3'000.0);
  double waiting = 0;
  for (std::uint32_t i = 0; i < kPorts; ++i) waiting += 5 + i * 7 % 3;
  EXPECT_EQ(sum(all, "listener_accept_queue"), waiting);
  EXPECT_EQ(sum(all, "listener_accept_limit"), kPorts * 128.0);
  EXPECT_EQ(sum(all, "failed_connects_total"), 5'000.0 * 3);
  EXPECT_EQ(sum(all, "retransmitted_segments_total"), 5'000.0 * 3);
  EXPECT_EQ(sum(all, "dropped_segments_total"), 5'000.0 * 4);
  EXPECT_EQ(sum(all, "user_queue_bytes"), 100 * 100.0);
  EXPECT_EQ(observations(all, "srtt_seconds"), 5'000U);
  EXPECT_EQ(observations(all, "min_rtt_seconds"), 5'000U);
  for (const char* name : {"group_connections", "listener_accept_queue", "failed_connects_total",
                           "retransmitted_segments_total", "dropped_segments_total", "user_queue_bytes"}) {
    const auto is_other = [](const auto& point) {
      return std::ranges::find(point.first, std::string(kOther)) != point.first.end() && point.second > 0;
    };
    EXPECT_TRUE(std::ranges::any_of(family(all, name).points(), is_other)) << name;
  }
}

TEST(Series, say_how_much_was_folded) {
  const Families& all = first_scrape();
  EXPECT_EQ(folded(all, "group"), kGroups - 20);
  EXPECT_EQ(folded(all, "listener"), kPorts - 50);
  EXPECT_EQ(folded(all, "program"), 90);
  EXPECT_EQ(folded(all, "port_use"), 5'000 - 10);
  EXPECT_EQ(folded(all, "failed_connects"), 5'000 - 12);
  EXPECT_EQ(folded(all, "retransmits"), 5'000 - 12);
  EXPECT_EQ(folded(all, "dropped_segments"), 5'000 - 40);
  EXPECT_EQ(folded(all, "listener_drops"), kPorts - 40);
  EXPECT_EQ(folded(all, "round_trips"), 5'000 - 6);
  EXPECT_GT(folded(all, "namespace"), 100);
}

TEST(Series, of_a_quiet_host_have_nothing_folded) {
  observe::Observation seen;
  seen.window = build::a_window(1, [](build::SampleBuilder& sample, std::size_t) {
    sample.add(build::a_process(7, "api").sockets(TcpState::established, 1));
  });
  Tally tally;
  tally.see(seen);
  std::vector<Labels> groups, listeners;
  const AgentNumbers numbers;
  const MetricSource source{seen, tally, numbers, groups, listeners};
  const Families all = metric_families(&source);
  EXPECT_EQ(family(all, "folded").points().size(), 10U);  // all of them, as zeros
  EXPECT_EQ(sum(all, "folded"), 0);
}

TEST(Series, stay_the_same_while_ranks_change_a_little) {
  Scraped server;
  const std::set<std::string> first = series(server.tick(0));
  std::map<std::string, double> before;
  for (std::uint32_t shift = 1; shift < 6; ++shift) {
    const Families all = server.tick(shift);
    std::vector<std::string> changed;
    std::ranges::set_symmetric_difference(series(all), first, std::back_inserter(changed));
    EXPECT_THAT(changed, testing::IsEmpty()) << "after " << shift << " ticks";
    for (const Family& one : all.all()) {
      if (one.type != MetricType::counter) continue;
      const double now = sum(all, one.name.substr(std::string("tcpadvisor_").size()));
      EXPECT_GE(now, before[one.name]) << one.name << " goes back after " << shift << " ticks";
      before[one.name] = now;
    }
  }
}

TEST(Series, name_no_process) {
  const Families& all = first_scrape();
  const std::string text = exposition_of(all.all(), Exposition::prometheus);
  EXPECT_THAT(text, Not(HasSubstr(std::to_string(kFirstPid).substr(0, 4))));
  EXPECT_THAT(text, Not(HasSubstr("pid")));
}

}  // namespace
}  // namespace tcpadvisor::exported::series_test
