// SPDX-License-Identifier: Apache-2.0
// Which finding gives way to which: application before memory before the rest, and memory before speed. Each case with
// the real rules, on a made-up host on which both would speak.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>

#include "advisor/rules/registry.h"
#include "advisor/verdict/verdict.h"
#include "tests/unit/builders.h"
#include "tests/unit/verdict/capped_flows.h"

namespace tcpadvisor::precedence_test {
namespace {

using namespace std::chrono_literals;
using build::a_process;
using build::a_socket;
using build::a_window;
using build::capped_flows;
using build::SampleBuilder;
using testing::HasSubstr;

using Fill = std::function<void(SampleBuilder&, std::size_t)>;

const Policy& lab() {
  static const Policy policy = *Policy::named("lab");
  return policy;
}

const Finding* with_id(const Verdict& verdict, std::string_view id) {
  auto found = std::ranges::find(verdict.findings, id, &Finding::id);
  return found == verdict.findings.end() ? nullptr : &*found;
}

/// What the rule says before anything else is looked at.
std::vector<Finding> alone(std::string_view id, const Window& window) {
  const Policy own = lab().of(id);
  const Evidence whole(window, lab());
  return find_rule(id)->judge(Evidence(whole, own)).findings;
}

/// A process that keeps what it should have closed, in one of four ways; api[7].
struct Leak {
  std::string_view id;
  Fill fill;
};

constexpr std::uint32_t kLeaked = 20'000;
constexpr std::uint64_t kHeld = 1'500'000'000;

/// Some of them have rows; all are to one peer.
void leaked(SampleBuilder& sample, const SocketRow& like) {
  SocketRow row = like;
  for (std::uint16_t k = 0; k < 40; ++k) {
    row.cookie = 100u + k;
    row.inode = 100u + k;
    row.local = Endpoint::v4(10, 0, 0, 1, static_cast<std::uint16_t>(40'000 + k));
    row.remote = Endpoint::v4(10, 0, 0, 9, 443);
    sample.add(row);
  }
}

std::vector<Leak> leaks() {
  auto holder = [] { return a_process(7, "api").memory(kHeld, 0); };
  return {{"close-wait-leak",
           [=](SampleBuilder& sample, std::size_t) {
             leaked(sample, a_socket().close_wait().age(70s).pid(7, "api"));
             sample.add(holder().close_wait(kLeaked, kLeaked)).count(TcpState::close_wait, kLeaked);
           }},
          {"closed-socket-fd-leak",
           [=](SampleBuilder& sample, std::size_t) {
             sample.add(holder().sockets(TcpState::close, kLeaked)).count(TcpState::close, kLeaked);
           }},
          {"fin-wait2-app-held",
           [=](SampleBuilder& sample, std::size_t) {
             leaked(sample, a_socket().fin_wait_2().age(70s).pid(7, "api"));
             sample.add(holder().fin_wait_2(kLeaked, kLeaked)).count(TcpState::fin_wait_2, kLeaked);
           }},
          {"established-dead-peer-leak", [=](SampleBuilder& sample, std::size_t) {
             for (std::uint16_t k = 0; k < 40; ++k) {
               SocketRow row = a_socket().established().cookie(100u + k).pid(7, "api");
               row.inode = 100u + k;
               row.local = Endpoint::v4(127, 0, 0, 1, 8443);
               row.remote = Endpoint::v4(127, 0, 0, 1, static_cast<std::uint16_t>(40'000 + k));
               row.last_data_recv_ms = row.last_data_sent_ms = 7'200'000;
               row.keepalive = false;
               row.user_timeout_ms = 0;
               sample.add(row);
             }
             sample.add(a_socket().cookie(1).listen(8443, 0, 128).pid(7, "api"));
             sample.add(holder().sockets(TcpState::established, 40)).count(TcpState::established, 40);
           }}};
}

/// TCP uses nearly all of its memory.
void short_of_memory(SampleBuilder& sample, std::size_t) {
  sample.set([](Sample& one) { one.memory.pages = 400'000; });
}

TEST(Precedence, a_leak_that_holds_the_memory_is_mended_before_tcp_mem_is_raised) {
  for (const Leak& leak : leaks()) {
    SCOPED_TRACE(leak.id);
    const Window window = a_window(8, [&](SampleBuilder& sample, std::size_t i) {
      leak.fill(sample, i);
      short_of_memory(sample, i);
      sample.add(a_process(2, "web").memory(1'000, 1'000));
    });
    ASSERT_FALSE(alone("tcp-mem-pressure-global", window).empty());
    const Verdict verdict = judge(window, lab());
    const Finding *memory = with_id(verdict, "tcp-mem-pressure-global"), *cause = with_id(verdict, leak.id);
    ASSERT_TRUE(memory != nullptr && cause != nullptr);
    EXPECT_EQ(memory->cause, cause->instance);
    EXPECT_FALSE(memory->recommendation.change);
    EXPECT_THAT(memory->recommendation.text, HasSubstr("Fix api[7] first"));
  }
}

TEST(Precedence, a_leak_that_holds_the_ports_is_mended_before_their_range_is_widened) {
  for (const Leak& leak : leaks()) {
    if (leak.id == "closed-socket-fd-leak" || leak.id == "established-dead-peer-leak") continue;  // hold no such port
    SCOPED_TRACE(leak.id);
    auto host = [&](std::uint32_t used, std::uint8_t last) {
      return a_window(8, [&, used, last](SampleBuilder& sample, std::size_t i) {
        leak.fill(sample, i);
        PortUse use{};
        use.netns = build::kHostNetns;
        use.source = Endpoint::v4(10, 0, 0, 1, 0);
        use.destination = Endpoint::v4(10, 0, 0, last, 443);
        use.used = used;
        sample.add(use);
        SocketRow there = a_socket().established().cookie(9).pid(7, "api");
        there.local = Endpoint::v4(10, 0, 0, 1, 50'000);
        there.remote = use.destination;
        sample.add(there);
      });
    };
    const Window window = host(27'000, 9);
    ASSERT_EQ(alone("port-exhaustion", window).size(), 1u);
    EXPECT_TRUE(alone("port-exhaustion", window).front().recommendation.change);
    const Verdict verdict = judge(window, lab());
    const Finding *ports = with_id(verdict, "port-exhaustion"), *cause = with_id(verdict, leak.id);
    ASSERT_TRUE(ports != nullptr && cause != nullptr);
    EXPECT_EQ(ports->cause, cause->instance);
    EXPECT_FALSE(ports->recommendation.change);
    EXPECT_THAT(ports->recommendation.text, HasSubstr("Fix api[7] first"));
    EXPECT_NE(ports->severity, Severity::info) << "it hurts all the same";
    const Verdict elsewhere = judge(host(27'000, 8), lab());
    ASSERT_NE(with_id(elsewhere, "port-exhaustion"), nullptr);
    EXPECT_EQ(with_id(elsewhere, "port-exhaustion")->cause, "") << "the ports are those of another destination";
  }
}

TEST(Precedence, a_leak_that_is_most_sockets_is_mended_before_memory_is_planned) {
  for (const Leak& leak : leaks()) {
    if (leak.id == "established-dead-peer-leak") continue;  // told of those that have rows
    SCOPED_TRACE(leak.id);
    auto host = [&](std::uint32_t others) {
      return a_window(8, [&, others](SampleBuilder& sample, std::size_t i) {
        leak.fill(sample, i);
        sample.count(TcpState::established, others);
        sample.set([](Sample& one) { one.memory.limits_pages = {{15'000, 20'000, 30'000}}; });
      });
    };
    Policy policy = lab();
    policy.rules["high-connection-memory-budget"]["many_sockets"] = 10'000;
    const Verdict verdict = judge(host(1'000), policy), others = judge(host(100'000), policy);
    const Finding *budget = with_id(verdict, "high-connection-memory-budget"), *cause = with_id(verdict, leak.id);
    ASSERT_TRUE(budget != nullptr && cause != nullptr);
    EXPECT_EQ(budget->cause, cause->instance);
    EXPECT_THAT(budget->recommendation.text, HasSubstr("Fix api[7] first"));
    ASSERT_NE(with_id(others, "high-connection-memory-budget"), nullptr);
    EXPECT_EQ(with_id(others, "high-connection-memory-budget")->cause, "");
  }
}

constexpr std::array<std::string_view, 2> kCaps = {"rcvbuf-bdp-autotune-cap", "sndbuf-bdp-autotune-cap"};

struct Shortage {
  std::string_view id;      ///< of the finding that says so
  std::string_view reason;  ///< in the words of those that have to wait
  Fill fill;
};

std::vector<Shortage> shortages() {
  auto near = [](SampleBuilder& sample, std::size_t) {
    sample.set([](Sample& one) { one.memory.pages = 330'000; });  // of 380,000
  };
  auto pressed = [](SampleBuilder& sample, std::size_t i) {
    sample.set([](Sample& one) {
      one.memory.pages = 381'000;
      one.memory.under_pressure = true;
    });
    sample.counter("TcpExt.TCPMemoryPressures", i);
  };
  auto container = [](SampleBuilder& sample, std::size_t i) {
    sample.set([&](Sample& one) {
      CgroupTotals web;
      web.id = 7;
      web.path = "/pod/web";
      web.sockets = 60;
      web.sock_bytes = 40u << 20;
      web.memory_current = 99u << 20;
      web.memory_max = 100u << 20;
      web.events_max = 100 + 5 * i;
      one.cgroups.push_back(web);
      one.refusals = BufferRefusals{.cgroup_recv = 30 * i};
    });
  };
  auto many_idle = [](SampleBuilder& sample, std::size_t) {
    sample.count(TcpState::established, 4'000'000);  // 19 GiB of structures on a host with 24 GiB
  };
  return {{"tcp-mem-pressure-global", "pages of tcp_mem[1] already", near},
          {"tcp-mem-pressure-global", "TCP is under memory pressure now", pressed},
          {"memcg-socket-pressure", "sockets of cgroup /pod/web are refused memory at its limit of 100 MiB", container},
          {"high-connection-memory-budget", "than there is for them", many_idle}};
}

TEST(Precedence, memory_comes_before_speed_in_one_proposal_with_its_arithmetic) {
  const Verdict before = judge(a_window(8, capped_flows), lab());
  for (std::string_view id : kCaps) {
    ASSERT_NE(with_id(before, id), nullptr);
    EXPECT_TRUE(with_id(before, id)->recommendation.change) << "with enough memory";
  }
  for (const Shortage& shortage : shortages()) {
    SCOPED_TRACE(fmt::format("{}: {}", shortage.id, shortage.reason));
    const Verdict verdict = judge(a_window(8,
                                           [&](SampleBuilder& sample, std::size_t i) {
                                             capped_flows(sample, i);
                                             shortage.fill(sample, i);
                                           }),
                                  lab());
    EXPECT_NE(with_id(verdict, shortage.id), nullptr);
    for (std::string_view id : kCaps) {
      const Finding* finding = with_id(verdict, id);
      ASSERT_NE(finding, nullptr) << id;
      EXPECT_EQ(finding->severity, Severity::info) << id;
      EXPECT_FALSE(finding->recommendation.change) << id;
      EXPECT_THAT(finding->recommendation.text, HasSubstr("Do not raise net.ipv4.tcp_")) << id;
      EXPECT_THAT(finding->recommendation.text, HasSubstr(std::string(shortage.reason))) << id;
      EXPECT_THAT(finding->recommendation.formula, HasSubstr("memory: ")) << id;
    }
  }
}

TEST(Precedence, a_slow_reader_gets_no_larger_buffer) {
  const Verdict verdict =
      judge(a_window(8,
                     [](SampleBuilder& sample, std::size_t i) {
                       capped_flows(sample, i);
                       sample.add(a_process(3, "sink"));
                       sample.add(a_socket().cookie(5).pid(3, "sink").recv_q(90'000).rcvbuf(131'072, 131'072));
                       sample.counter("TcpExt.TCPRcvCollapsed", 5'000 * i).counter("TcpExt.RcvPruned", 0 * i);
                     }),
            lab());
  const Finding* reader = with_id(verdict, "reader-too-slow");
  ASSERT_NE(reader, nullptr);
  for (std::string_view id : {"rcvbuf-bdp-autotune-cap", "rcv-collapse-prune"}) {
    const Finding* finding = with_id(verdict, id);
    ASSERT_NE(finding, nullptr) << id;
    EXPECT_EQ(finding->cause, reader->instance) << id;
    EXPECT_EQ(finding->severity, Severity::info) << id;
    EXPECT_FALSE(finding->recommendation.change) << id;
  }
  EXPECT_TRUE(with_id(verdict, "sndbuf-bdp-autotune-cap")->recommendation.change) << "nothing to do with reading";
}

TEST(Precedence, a_flood_gets_no_longer_queue) {
  auto host = [](std::uint64_t cookies) {
    return a_window(10, [=](SampleBuilder& sample, std::size_t i) {
      sample.sysctl("net.core.somaxconn", {8});
      sample.add(a_socket().cookie(1).listen(80, 0, 8).pid(1, "a").drops(i < 5 ? 0 : 347));
      sample.counter("TcpExt.ListenOverflows", i < 5 ? 0 : 347);
      sample.counter("TcpExt.SyncookiesSent", cookies * i).counter("TcpExt.SyncookiesRecv", 0);
      sample.sysctl("net.ipv4.tcp_syncookies", {1}).count(TcpState::new_syn_recv, 128);
      sample.set([](Sample& one) {
        PortTotals port{.netns = build::kHostNetns, .port = 80};
        port.sockets[index_of(TcpState::new_syn_recv)] = 128;
        one.ports.push_back(port);
      });
    });
  };
  const Verdict calm = judge(host(0), lab()), flooded = judge(host(600), lab());
  ASSERT_NE(with_id(calm, "backlog-too-small"), nullptr);
  EXPECT_TRUE(with_id(calm, "backlog-too-small")->recommendation.change);
  const Finding *queue = with_id(flooded, "backlog-too-small"), *flood = with_id(flooded, "syn-flood-vs-overflow");
  ASSERT_TRUE(queue != nullptr && flood != nullptr);
  EXPECT_EQ(queue->cause, flood->instance);
  EXPECT_EQ(queue->severity, Severity::info);
  EXPECT_FALSE(queue->recommendation.change);
  EXPECT_EQ(with_id(flooded, "accept-queue-app-slow"), nullptr) << "what nobody completes waits for no accept()";
}

TEST(Precedence, a_program_that_accepts_slowly_gets_no_longer_queue) {
  const Verdict verdict = judge(a_window(8,
                                         [](SampleBuilder& sample, std::size_t i) {
                                           sample.sysctl("net.core.somaxconn", {8});
                                           sample.add(a_socket().listen(80, 9, 8).pid(1, "a").drops(50 * i));
                                           sample.counter("TcpExt.ListenOverflows", 50 * i);
                                         }),
                                lab());
  EXPECT_NE(with_id(verdict, "accept-queue-app-slow"), nullptr);
  EXPECT_EQ(with_id(verdict, "backlog-too-small"), nullptr);
}

TEST(Precedence, of_equal_severity_programs_come_first_then_memory_then_settings) {
  const Verdict verdict =
      judge(a_window(8,
                     [](SampleBuilder& sample, std::size_t i) {
                       capped_flows(sample, i);
                       leaks().front().fill(sample, i);
                       sample.set([](Sample& one) { one.memory.limits_pages = {{300'000, 400'000, 600'000}}; });
                       sample.set([](Sample& one) {
                         one.memory.pages = 1'000 + 0;
                         CgroupTotals db;
                         db.id = 8;
                         db.path = "/pod/db";
                         db.sockets = 3;
                         db.sock_bytes = 40u << 20;
                         db.memory_current = db.memory_max = 100u << 20;
                         one.cgroups.push_back(db);
                       });
                       sample.set([&](Sample& one) { one.refusals = BufferRefusals{.cgroup_recv = 30 * i}; });
                     }),
            lab());
  std::vector<FindingClass> classes;
  for (const Finding& finding : verdict.findings) {
    if (finding.severity == Severity::warning) classes.push_back(finding.finding_class);
  }
  auto place = [&](FindingClass one) { return std::ranges::find(classes, one) - classes.begin(); };
  ASSERT_NE(place(FindingClass::kernel_config), std::ssize(classes));
  ASSERT_NE(place(FindingClass::memory), std::ssize(classes));
  EXPECT_LT(place(FindingClass::application), place(FindingClass::memory));
  EXPECT_LT(place(FindingClass::memory), place(FindingClass::kernel_config));
}

}  // namespace
}  // namespace tcpadvisor::precedence_test
