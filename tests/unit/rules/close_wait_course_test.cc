// SPDX-License-Identifier: Apache-2.0
// The same number of CLOSE_WAIT sockets: a leak, an idle pool, or a leak with sweeps.
#include "tests/unit/expect.h"

namespace tcpadvisor::close_wait_course_test {
namespace {

using namespace std::chrono_literals;
using build::a_process;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using build::SocketBuilder;
using testing::HasSubstr;
using testing::Not;

constexpr Pid kClient = 42;

/// Connections that a client opened to port 443 of a server which has closed them.
SocketBuilder idle_connection() {
  return a_socket().close_wait().age(30s).pid(kClient, "api-client").remote(Endpoint::v4(10, 0, 0, 9, 443));
}

/// They differ in their local ports, as those do that a process opens.
void opened(SampleBuilder& sample, std::uint32_t count, const SocketBuilder& like = idle_connection()) {
  for (std::uint32_t i = 0; i < count; ++i) {
    SocketRow row = like;
    row.cookie = row.inode = 100 + i;
    row.local.port = static_cast<std::uint16_t>(40'000 + i);
    sample.add(row);
  }
  sample.add(a_process(kClient, "api-client").close_wait(count, count).fds(count + 8, 1024));
}

void expect_no_restart(const Finding& finding) {
  for (const std::string& step : finding.recommendation.steps) EXPECT_THAT(step, Not(HasSubstr("restart")));
}

TEST(IdlePool, a_steady_number_of_idle_connections_is_worth_a_word_and_no_restart) {
  auto finding =
      only_finding(judged("close-wait-leak", a_window(8, [](SampleBuilder& s, std::size_t) { opened(s, 12); }), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::none);
  EXPECT_THAT(finding->title, HasSubstr("idle pool"));
  EXPECT_EQ(finding->confidence, Confidence::low) << "a leak whose traffic has stopped looks the same";
  expect_no_restart(*finding);
}

TEST(IdlePool, is_surer_where_the_process_went_on_working) {
  auto finding = only_finding(
      judged("close-wait-leak",
             a_window(8,
                      [](SampleBuilder& s, std::size_t i) {
                        opened(s, 12);
                        s.add(a_socket().cookie(7).established().pid(kClient, "api-client").set([&](SocketRow& row) {
                          row.last_data_recv_ms = 40 + i;
                        }));
                      }),
             lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->confidence, Confidence::medium);
}

TEST(IdlePool, is_surer_where_others_take_the_place_of_some) {
  auto finding = only_finding(judged("close-wait-leak",
                                     a_window(8,
                                              [](SampleBuilder& s, std::size_t i) {
                                                opened(s, 11);
                                                SocketRow changing = idle_connection();
                                                changing.cookie = changing.inode = 500 + i;
                                                changing.local.port = static_cast<std::uint16_t>(50'000 + i);
                                                s.add(changing);
                                                s.set([](Sample& sample) { sample.owners.clear(); });
                                                s.add(a_process(kClient, "api-client").close_wait(12, 11));
                                              }),
                                     lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->confidence, Confidence::medium);
  EXPECT_THAT(finding->confidence_why, HasSubstr("not always the same ones"));
}

TEST(IdlePool, a_program_between_others_has_none) {
  auto finding = only_finding(judged("close-wait-leak",
                                     a_window(8,
                                              [](SampleBuilder& s, std::size_t) {
                                                opened(s, 12);
                                                s.add(12, a_socket().fin_wait_2().age(30s).pid(kClient, "x"), 900);
                                              }),
                                     lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
}

TEST(IdlePool, a_large_number_that_stands_still_may_be_a_leak_whose_traffic_has_stopped) {
  auto finding = only_finding(
      judged("close-wait-leak", a_window(8, [](SampleBuilder& s, std::size_t) { opened(s, 300); }), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->confidence, Confidence::low);
  EXPECT_THAT(finding->confidence_why, HasSubstr("traffic has stopped"));
  expect_no_restart(*finding);
}

TEST(IdlePool, one_more_than_at_first_is_no_pool) {
  auto finding = only_finding(judged(
      "close-wait-leak", a_window(8, [](SampleBuilder& s, std::size_t i) { opened(s, i < 6 ? 12 : 13); }), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_THAT(finding->confidence_why, HasSubstr("the count grows"));
}

TEST(IdlePool, one_in_use_for_a_moment_makes_no_leak) {
  auto finding = only_finding(judged(
      "close-wait-leak", a_window(8, [](SampleBuilder& s, std::size_t i) { opened(s, i % 3 == 1 ? 11 : 12); }), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
}

TEST(IdlePool, accepted_connections_unread_data_and_waiting_peers_belong_to_no_pool) {
  auto severity_with = [](const std::function<void(SampleBuilder&)>& fill) {
    auto finding =
        only_finding(judged("close-wait-leak", a_window(8, [&](SampleBuilder& s, std::size_t) { fill(s); }), lab()));
    return finding ? finding->severity : Severity::info;
  };
  auto accepted = [](SampleBuilder& s) {
    s.add(12, idle_connection().local(Endpoint::v4(10, 0, 0, 1, 8443))).add(a_process(kClient, "x").close_wait(12, 12));
  };
  EXPECT_EQ(severity_with(accepted), Severity::warning) << "one local port, and its listener is closed by now";
  EXPECT_EQ(severity_with([](SampleBuilder& s) { opened(s, 12, idle_connection().recv_q(300)); }), Severity::warning);
  EXPECT_EQ(severity_with([](SampleBuilder& s) {
              opened(s, 12);
              for (std::uint16_t i = 0; i < 12; ++i) {
                s.add(a_socket()
                          .cookie(900u + i)
                          .fin_wait_2()
                          .pid(77, "server")
                          .local(Endpoint::v4(10, 0, 0, 9, 443))
                          .remote(Endpoint::v4(10, 0, 0, 1, static_cast<std::uint16_t>(40'000 + i))));
              }
            }),
            Severity::warning);
}

TEST(IdlePool, works_for_ipv6_and_not_near_the_descriptor_limit) {
  auto v6 = [](std::uint64_t limit) {
    return a_window(8, [=](SampleBuilder& s, std::size_t) {
      for (std::uint16_t i = 0; i < 40; ++i) {
        SocketRow row = idle_connection();
        row.cookie = row.inode = 100u + i;
        row.local.v6 = row.remote.v6 = true;
        row.local.port = static_cast<std::uint16_t>(50'000 + i);
        s.add(row);
      }
      s.add(a_process(kClient, "api-client").close_wait(40, 40).fds(60, limit));
    });
  };
  EXPECT_EQ(judged("close-wait-leak", v6(1024), lab()).findings.at(0).severity, Severity::info);
  EXPECT_EQ(judged("close-wait-leak", v6(64), lab()).findings.at(0).severity, Severity::critical);
}

// ---- sweeps ----

/// A garbage collector that closes what was forgotten; those older than 5 s are counted.
Window swept(std::vector<std::uint32_t> counts, std::vector<std::uint32_t> old) {
  return a_window(counts.size(), [=](SampleBuilder& sample, std::size_t i) {
    sample.add(a_process(kClient, "go-client").close_wait(counts[i], old[i]).fds(counts[i] + 10, 1024));
    sample.add(counts[i], a_socket().close_wait().age(1s).pid(kClient, "go-client"));
  });
}

TEST(SweptLeak, is_seen_although_the_last_look_came_just_after_a_sweep) {
  auto finding = only_finding(
      judged("close-wait-leak", swept({40, 60, 80, 100, 120, 140, 160, 4}, {0, 0, 5, 20, 40, 60, 80, 0}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->confidence, Confidence::medium);
  EXPECT_EQ(value_of(*finding, "close_wait_peak"), 160);
  EXPECT_FALSE(value_of(*finding, "close_wait_growth"));
}

TEST(SweptLeak, is_seen_when_the_sweep_left_none) {
  auto finding =
      only_finding(judged("close-wait-leak", swept({40, 80, 120, 160, 200, 0}, {0, 0, 20, 40, 60, 0}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.count, 200u);
  EXPECT_EQ(finding->scope.pid, kClient);
}

TEST(SweptLeak, is_never_projected_from_a_peak) {
  auto finding = only_finding(
      judged("close-wait-leak", swept({90, 10, 30, 50, 70, 90, 110, 130}, {40, 0, 0, 0, 0, 10, 30, 50}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->meaning, Not(HasSubstr("At this rate")));
  EXPECT_THAT(finding->confidence_why, HasSubstr("grows again"));
}

TEST(SweptLeak, needs_growth_and_old_ones) {
  expect_fine(judged("close-wait-leak", swept({100, 100, 100, 100, 0, 0}, {90, 90, 90, 90, 0, 0}), lab()));
  expect_fine(judged("close-wait-leak", swept({20, 40, 60, 2, 20, 40, 60, 2}, {0, 0, 0, 0, 0, 0, 0, 0}), lab()));
}

TEST(SweptLeak, clears_when_the_last_sweep_is_long_ago) {
  std::vector<std::uint32_t> counts(60, 0), old(60, 0);
  for (std::uint32_t i = 0; i < 20; ++i) counts[i] = 20 * (i % 10), old[i] = i % 10 > 4 ? 50 : 0;
  expect_fine(judged("close-wait-leak", swept(counts, old), lab()));
}

/// Five a second come into CLOSE_WAIT at a server, which closes each seven seconds later; `more` are never closed.
Window lingering(std::size_t looks, std::uint32_t more = 0) {
  return a_window(looks, [=](SampleBuilder& s, std::size_t look) {
    for (std::uint32_t i = 0; i < 35 + more; ++i) {
      SocketRow row = a_socket().close_wait().pid(kClient, "server").age(i < 35 ? 200ms * (35 - i) : 60s);
      row.cookie = row.inode = i < 35 ? 1'000 + 5 * look + i : 100 + i;
      s.add(row);
    }
    s.add(a_process(kClient, "server").close_wait(35 + more, 10 + more));
  });
}

TEST(ClosesLate, what_is_closed_after_a_while_is_not_forgotten) {
  auto finding = only_finding(judged("close-wait-leak", lingering(12), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_THAT(finding->title, HasSubstr("server[42] closes late: now 35 sockets"));
  EXPECT_THAT(finding->confidence_why, HasSubstr("no one is older than 7 s"));
}

TEST(ClosesLate, needs_to_have_seen_all_of_them_go) {
  for (const Window& window : {lingering(5), lingering(12, 1)}) {
    auto finding = only_finding(judged("close-wait-leak", window, lab()));
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->severity, Severity::warning);
    EXPECT_THAT(finding->title, HasSubstr("does not close"));
  }
}

}  // namespace
}  // namespace tcpadvisor::close_wait_course_test
