// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::closing_test {
namespace {

using namespace std::chrono_literals;
using build::a_process;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;

void half_closed(SampleBuilder& sample, std::uint32_t count, std::uint32_t old, std::chrono::milliseconds age) {
  sample.add(a_process(9, "push").fin_wait_2(count, old)).add(count, a_socket().fin_wait_2().age(age).pid(9, "push"));
}

TEST(FinWait2AppHeld, fires_with_the_process) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t i) { half_closed(sample, 50, 50, 10s + 1s * i); });
  auto finding = only_finding(judged("fin-wait2-app-held", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.pid, 9u);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(value_of(*finding, "fin_wait2_sockets"), 50);
  EXPECT_EQ(value_of(*finding, "oldest_age"), 17);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::application);
  expect_fine(judged("fin-wait2-orphan-buildup", window, lab()));
}

TEST(FinWait2AppHeld, a_few_or_young_ones_are_how_tcp_ends) {
  expect_fine(judged("fin-wait2-app-held",
                     a_window(8, [](SampleBuilder& s, std::size_t) { half_closed(s, 9, 9, 30s); }), lab()));
  expect_fine(judged("fin-wait2-app-held",
                     a_window(8, [](SampleBuilder& s, std::size_t) { half_closed(s, 50, 0, 1s); }), lab()));
}

TEST(FinWait2AppHeld, clears_and_leaves_orphans_to_the_other_rule) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t i) {
    if (i < 6) half_closed(sample, 50, 50, 30s);
    sample.add(50, a_socket().fin_wait_2().age(30s).holder(Holder::orphan), 700);
  });
  expect_fine(judged("fin-wait2-app-held", window, lab()));
}

TEST(FinWait2AppHeld, is_not_assessed_when_the_look_was_too_short) {
  Window window = a_window(9, [](SampleBuilder& sample, std::size_t) {
    sample.add(50, a_socket().fin_wait_2().pid(9, "push")).add(a_process(9, "push").fin_wait_2(50, 0));
  });
  expect_unknown(judged("fin-wait2-app-held", window, Policy{}), "observe for 1m");
}

void orphans(SampleBuilder& sample, std::uint64_t count) {
  sample.count(TcpState::fin_wait_2, count).add(20, a_socket().fin_wait_2().holder(Holder::orphan));
}

TEST(FinWait2OrphanBuildup, fires_and_says_what_a_shorter_timeout_would_do) {
  Window window = a_window(4, [](SampleBuilder& sample, std::size_t) { orphans(sample, 12'000); });
  auto finding = only_finding(judged("fin-wait2-orphan-buildup", window, Policy{}));
  ASSERT_TRUE(finding);
  ASSERT_TRUE(finding->recommendation.change);
  EXPECT_EQ(finding->recommendation.change->knob, "net.ipv4.tcp_fin_timeout");
  EXPECT_EQ(values_text(finding->recommendation.change->target), "30");
  EXPECT_THAT(finding->recommendation.formula, HasSubstr("12,000 entries x 30 s / 60 s = 6000"));
  EXPECT_THAT(finding->meaning, HasSubstr("10.0.0.2 (20)"));
}

TEST(FinWait2OrphanBuildup, never_goes_below_what_slow_peers_need) {
  Window window = a_window(4, [](SampleBuilder& sample, std::size_t) {
    orphans(sample, 12'000);
    sample.sysctl("net.ipv4.tcp_fin_timeout", {30});
  });
  auto finding = only_finding(judged("fin-wait2-orphan-buildup", window, Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::peer);
}

TEST(FinWait2OrphanBuildup, is_measured_against_the_namespace_limit) {
  auto with = [](std::uint64_t count) {
    return a_window(4, [count](SampleBuilder& sample, std::size_t) {
      orphans(sample, count);
      sample.sysctl("net.ipv4.tcp_max_tw_buckets", {400});
    });
  };
  EXPECT_TRUE(only_finding(judged("fin-wait2-orphan-buildup", with(101), lab())));
  expect_fine(judged("fin-wait2-orphan-buildup", with(100), lab()));
}

TEST(FinWait2OrphanBuildup, is_normal_in_small_numbers_and_clears) {
  expect_fine(
      judged("fin-wait2-orphan-buildup", a_window(4, [](SampleBuilder& s, std::size_t) { orphans(s, 500); }), lab()));
  expect_fine(judged("fin-wait2-orphan-buildup",
                     a_window(4, [](SampleBuilder& s, std::size_t i) { orphans(s, i < 3 ? 50'000 : 20); }), lab()));
  Window blind = a_window(4, [](SampleBuilder& sample, std::size_t) { sample.cover("snapshot", ""); });
  expect_unknown(judged("fin-wait2-orphan-buildup", blind, lab()), "no source");
}

SocketRow orphan_of(std::uint8_t peer, std::uint16_t port) {
  return a_socket().fin_wait_2().holder(Holder::orphan).cookie(0).remote(Endpoint::v4(10, 0, 0, peer, port));
}

/// Connections that were closed here, whose `count` peers of one address do not close; `rows` of them are known.
void left_open(SampleBuilder& sample, std::uint32_t rows, std::uint64_t count) {
  sample.count(TcpState::fin_wait_2, count);
  for (std::uint16_t i = 0; i < rows; ++i) {
    sample.add(orphan_of(2, static_cast<std::uint16_t>(40'000 + i)));
  }
}

TEST(FinWait2OrphanBuildup, names_one_peer_that_does_not_close) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t) { left_open(sample, 64, 200); });
  auto finding = only_finding(judged("fin-wait2-orphan-buildup", window, Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->finding_class, FindingClass::peer);
  EXPECT_EQ(finding->confidence, Confidence::medium);
  EXPECT_FALSE(finding->scope.pid);
  EXPECT_EQ(finding->scope.remote, "10.0.0.2");
  EXPECT_EQ(finding->scope.count, 200u);
  EXPECT_THAT(finding->title, HasSubstr("10.0.0.2 leaves about 200 connections open"));
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::peer);
  EXPECT_FALSE(finding->recommendation.change);
}

TEST(FinWait2OrphanBuildup, a_few_of_one_peer_may_be_its_pool) {
  auto finding = only_finding(judged(
      "fin-wait2-orphan-buildup", a_window(8, [](SampleBuilder& s, std::size_t) { left_open(s, 20, 20); }), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->confidence, Confidence::low);
  EXPECT_EQ(finding->scope.count, 20u);
  EXPECT_THAT(finding->confidence_why, HasSubstr("pool"));
  expect_fine(judged("fin-wait2-orphan-buildup",
                     a_window(8, [](SampleBuilder& s, std::size_t) { left_open(s, 15, 15); }), Policy{}));
}

TEST(FinWait2OrphanBuildup, peers_that_close_in_time_are_not_named) {
  // each is there at two looks, and gone at the third
  Window busy = a_window(8, [](SampleBuilder& sample, std::size_t i) {
    sample.count(TcpState::fin_wait_2, 64);
    for (std::size_t n = 0; n < 64; ++n) {
      auto port = static_cast<std::uint16_t>(10'000 + 64 * (i / 2) + n);
      sample.add(orphan_of(2, port));
    }
  });
  expect_fine(judged("fin-wait2-orphan-buildup", busy, Policy{}));
  // many peers, a few of each: what a public server always has
  Window many = a_window(8, [](SampleBuilder& sample, std::size_t) {
    sample.count(TcpState::fin_wait_2, 64);
    for (std::uint16_t i = 0; i < 64; ++i) {
      sample.add(orphan_of(static_cast<std::uint8_t>(i % 8), static_cast<std::uint16_t>(10'000 + i)));
    }
  });
  expect_fine(judged("fin-wait2-orphan-buildup", many, Policy{}));
}

TEST(FinWait2OrphanBuildup, leaves_what_is_seen_from_the_other_end_to_that_one) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t) {
    left_open(sample, 30, 30);
    for (std::uint16_t i = 0; i < 30; ++i) {
      const SocketRow here = orphan_of(2, static_cast<std::uint16_t>(40'000 + i));
      sample.add(a_socket().close_wait().pid(7, "leaks").cookie(500 + i).local(here.remote).remote(here.local));
    }
  });
  expect_fine(judged("fin-wait2-orphan-buildup", window, Policy{}));
}

TEST(ClosedSocketFdLeak, fires_on_descriptors_of_dead_sockets) {
  Window window = a_window(6, [](SampleBuilder& sample, std::size_t i) {
    auto dead = static_cast<std::uint32_t>(10 + 2 * i);
    sample.add(a_process(5, "client").sockets(TcpState::close, dead).close_wait(30 - dead, 0));
    sample.set([](Sample& s) {
      s.netns[0].sockstat = Sockstat{.tcp_inuse = 30, .tw = 0, .orphan = 0, .alloc = 50, .mem_pages = 1};
    });
  });
  auto finding = only_finding(judged("closed-socket-fd-leak", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.pid, 5u);
  EXPECT_EQ(finding->scope.count, 20u);
  EXPECT_EQ(finding->confidence, Confidence::high);
  EXPECT_THAT(finding->confidence_why, HasSubstr("were CLOSE_WAIT before"));
  EXPECT_FALSE(value_of(*finding, "sockets_in_no_list")) << "sockstat's alloc is the host's, its inuse a namespace's";
}

TEST(ClosedSocketFdLeak, a_steady_number_is_less_certain) {
  Window window =
      a_window(6, [](SampleBuilder& s, std::size_t) { s.add(a_process(5, "client").sockets(TcpState::close, 20)); });
  auto finding = only_finding(judged("closed-socket-fd-leak", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->confidence, Confidence::medium);
}

TEST(ClosedSocketFdLeak, looks_for_sockets_where_the_process_is) {
  Window window = a_window(6, [](SampleBuilder& sample, std::size_t) {
    sample.add(a_process(5, "client").sockets(TcpState::close, 20));
    sample.set([](Sample& s) {
      NetnsSample& netns = s.netns.emplace_back(s.netns.front());
      netns.id = s.owners.back().netns = 4026532999;
      netns.name = "pid:5";
      netns.is_host = false;
    });
  });
  auto finding = only_finding(judged("closed-socket-fd-leak", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->recommendation.steps.front(), HasSubstr("and nsenter -t 5 -n ss -tnap"));
}

TEST(ClosedSocketFdLeak, is_quiet_about_few_and_about_those_that_are_being_closed) {
  expect_fine(judged(
      "closed-socket-fd-leak",
      a_window(6, [](SampleBuilder& s, std::size_t) { s.add(a_process(5, "x").sockets(TcpState::close, 9)); }), lab()));
  expect_fine(
      judged("closed-socket-fd-leak",
             a_window(6,
                      [](SampleBuilder& s, std::size_t i) {
                        s.add(a_process(5, "x").sockets(TcpState::close, static_cast<std::uint32_t>(90 - 10 * i)));
                      }),
             lab()));
}

TEST(ClosedSocketFdLeak, is_not_assessed_when_descriptors_only_say_socket) {
  expect_unknown(judged("closed-socket-fd-leak",
                        a_window(6, [](SampleBuilder& s, std::size_t) { s.cover("owners", "/proc/*/fd"); }), lab()),
                 "does not tell dead sockets");
}

TEST(ClosedSocketFdLeak, is_not_assessed_without_owners) {
  expect_unknown(
      judged("closed-socket-fd-leak", a_window(6, [](SampleBuilder& s, std::size_t) { s.cover("owners", ""); }), lab()),
      "owners");
}

}  // namespace
}  // namespace tcpadvisor::closing_test
