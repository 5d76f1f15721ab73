// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "advisor/rules/registry.h"
#include "advisor/rules/words.h"
#include "tests/unit/expect.h"

namespace tcpadvisor::host_test {
namespace {

using build::a_process;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;

void in_use(SampleBuilder& sample, std::uint64_t pages, bool pressure = false) {
  sample.set([=](Sample& s) {
    s.memory.pages = pages;
    s.memory.under_pressure = pressure;
  });
}

TEST(TcpMemPressure, fires_with_a_formula_and_its_gate) {
  Window window = a_window(5, [](SampleBuilder& sample, std::size_t i) {
    in_use(sample, 400'000, true);
    sample.counter("TcpExt.TCPMemoryPressures", i > 1).counter("TcpExt.TCPRcvQDrop", 10 * i);
  });
  auto finding = only_finding(judged("tcp-mem-pressure-global", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::critical);
  ASSERT_TRUE(finding->recommendation.change);
  EXPECT_EQ(finding->recommendation.change->knob, "net.ipv4.tcp_mem");
  EXPECT_EQ(values_text(finding->recommendation.change->target), "450000 600000 900000");
  EXPECT_EQ(text_of(*finding->recommendation.change).rollback, "sysctl -w net.ipv4.tcp_mem=\"285000 380000 570000\"");
  EXPECT_EQ(finding->recommendation.worst_case_memory_bytes, 900'000ull * 4096);
  EXPECT_EQ(value_of(*finding, "received_data_dropped"), 40);
}

TEST(TcpMemPressure, a_small_machine_is_not_given_more_than_a_quarter) {
  Window window = a_window(5, [](SampleBuilder& sample, std::size_t) {
    in_use(sample, 400'000, true);
    sample.set([](Sample& s) { s.host.mem_bytes = 4ull << 30; });
  });
  auto finding = only_finding(judged("tcp-mem-pressure-global", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::capacity);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("Do not raise tcp_mem"));
}

TEST(TcpMemPressure, a_mark_below_what_is_in_use_would_begin_with_pressure) {
  Window window = a_window(5, [](SampleBuilder& sample, std::size_t) { in_use(sample, 3'900'000, true); });
  auto finding = only_finding(judged("tcp-mem-pressure-global", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_FALSE(finding->recommendation.change);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("would not be more than is in use now"));
}

TEST(TcpMemPressure, names_the_process_that_does_not_read) {
  Window window = a_window(5, [](SampleBuilder& sample, std::size_t) {
    in_use(sample, 400'000, true);
    sample.add(a_process(8, "slow").memory(1'500'000'000, 0, 900'000'000))
        .add(a_process(9, "web").memory(1'000'000, 1'000'000));
  });
  auto finding = only_finding(judged("tcp-mem-pressure-global", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::application);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("slow[8]"));
}

TEST(TcpMemPressure, warns_before_the_mark) {
  auto with = [](std::uint64_t pages) {
    return a_window(40, [=](SampleBuilder& s, std::size_t) { in_use(s, pages); });
  };
  auto finding = only_finding(judged("tcp-mem-pressure-global", with(310'000), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  expect_fine(judged("tcp-mem-pressure-global", with(300'000), Policy{}));
}

TEST(TcpMemPressure, projects_growth) {
  auto with = [](std::uint64_t step) {
    return a_window(10, [=](SampleBuilder& s, std::size_t i) { in_use(s, 200'000 + step * i); });
  };
  auto finding = only_finding(judged("tcp-mem-pressure-global", with(500), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->confidence, Confidence::low);
  EXPECT_NEAR(*value_of(*finding, "pressure_expected_in"), (380'000 - 204'500) / 500.0, 1);
  expect_fine(judged("tcp-mem-pressure-global", with(10), Policy{}));
}

TEST(TcpMemPressure, other_shortages_are_not_tcp_mem) {
  Window window = a_window(5, [](SampleBuilder& sample, std::size_t i) {  // page allocation, or a memory cgroup
    in_use(sample, 1'000);
    sample.counter("TcpExt.TCPMemoryPressures", i).counter("TcpExt.TCPRcvQDrop", 100 * i);
  });
  expect_fine(judged("tcp-mem-pressure-global", window, lab()));
}

TEST(TcpMemPressure, is_not_assessed_without_its_numbers) {
  expect_unknown(
      judged("tcp-mem-pressure-global",
             a_window(5, [](SampleBuilder& s, std::size_t) { s.set([](Sample& x) { x.memory.pages.reset(); }); }),
             lab()),
      "could not be read");
  expect_unknown(judged("tcp-mem-pressure-global",
                        a_window(5, [](SampleBuilder& s,
                                       std::size_t) { s.set([](Sample& x) { x.memory.limits_pages.reset(); }); }),
                        lab()),
                 "tcp_mem could not be read");
}

TEST(DoNothing, speaks_only_where_people_tune) {
  EXPECT_TRUE(judged("do-nothing",
                     a_window(3, [](SampleBuilder& s, std::size_t) { s.count(TcpState::time_wait, 4'999); }), lab())
                  .findings.empty());
  auto finding = only_finding(judged(
      "do-nothing", a_window(3, [](SampleBuilder& s, std::size_t) { s.count(TcpState::time_wait, 12'000); }), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.count, 12'000u);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::none);
}

TEST(DoNothing, is_silent_when_time_wait_really_overflows) {
  EXPECT_TRUE(judged("do-nothing",
                     a_window(3,
                              [](SampleBuilder& s, std::size_t i) {
                                s.count(TcpState::time_wait, 12'000).counter("TcpExt.TCPTimeWaitOverflow", i);
                              }),
                     lab())
                  .findings.empty());
  EXPECT_TRUE(judged("do-nothing",
                     a_window(3, [](SampleBuilder& s, std::size_t) { s.count(TcpState::time_wait, 125'000); }), lab())
                  .findings.empty());
}

TEST(DoNothing, knows_harmless_prunes_and_retransmissions) {
  EXPECT_TRUE(only_finding(
      judged("do-nothing", a_window(3, [](SampleBuilder& s, std::size_t i) { s.counter("TcpExt.PruneCalled", 9 * i); }),
             lab())));
  EXPECT_TRUE(
      judged("do-nothing",
             a_window(3, [](SampleBuilder& s,
                            std::size_t i) { s.counter("TcpExt.PruneCalled", 9 * i).counter("TcpExt.RcvPruned", i); }),
             lab())
          .findings.empty());
  EXPECT_TRUE(only_finding(judged("do-nothing",
                                  a_window(3,
                                           [](SampleBuilder& s, std::size_t i) {
                                             s.counter("Tcp.RetransSegs", 91 * i)
                                                 .counter("Tcp.OutSegs", 1000 * i)
                                                 .counter("TcpExt.TCPDSACKRecvSegs", 91 * i);
                                           }),
                                  lab())));
  EXPECT_TRUE(
      judged("do-nothing",
             a_window(3, [](SampleBuilder& s,
                            std::size_t i) { s.counter("Tcp.RetransSegs", 91 * i).counter("Tcp.OutSegs", 1000 * i); }),
             lab())
          .findings.empty());
}

TEST(Registry, ids_are_unique_and_found) {
  std::set<std::string_view> ids;
  for (const Rule& rule : all_rules()) {
    EXPECT_TRUE(ids.insert(rule.id).second) << rule.id;
    EXPECT_EQ(find_rule(rule.id), &rule);
    EXPECT_FALSE(rule.title.empty());
  }
  EXPECT_FALSE(ids.empty());
  EXPECT_EQ(find_rule("no-such-rule"), nullptr);
}

TEST(Words, count_and_rank) {
  EXPECT_EQ(counted(1, "socket"), "1 socket");
  EXPECT_EQ(counted(1250, "socket"), "1,250 sockets");
  EXPECT_EQ(most_frequent({"a", "b", "b", "c", "d"}, 2), "b (2), a (1), 2 more");
}

}  // namespace
}  // namespace tcpadvisor::host_test
