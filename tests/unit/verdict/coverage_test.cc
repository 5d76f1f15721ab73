// SPDX-License-Identifier: Apache-2.0
// "Fine" is said only where all was seen that a rule judges.
#include <gmock/gmock.h>

#include <algorithm>
#include <string>

#include "advisor/rules/registry.h"
#include "advisor/verdict/verdict.h"
#include "tests/unit/builders.h"

namespace tcpadvisor::coverage_test {
namespace {

using build::a_process;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::Contains;
using testing::Field;
using testing::HasSubstr;
using testing::Not;

using Fill = std::function<void(SampleBuilder&, std::size_t)>;

/// A host that is well, in which rules of every kind have something to look at.
void healthy(SampleBuilder& sample, std::size_t i) {
  sample.add(a_process(7, "web")).add(a_socket().pid(7, "web")).count(TcpState::established, 1);
  sample.host_ns().counters["Tcp.OutSegs"] = 1'000 * i;
}

Verdict judged(const Fill& fill) {
  return judge(a_window(12, fill), *Policy::named("lab"));
}

std::string why_not(const Verdict& verdict, std::string_view id) {
  auto found = std::ranges::find(verdict.not_assessed, id, &NotAssessed::id);
  return found == verdict.not_assessed.end() ? "" : found->reason;
}

bool is_fine(const Verdict& verdict, std::string_view id) {
  return std::ranges::find(verdict.checked_and_fine, id, &CheckedAndFine::id) != verdict.checked_and_fine.end();
}

/// Those rules of one kind that are fine where all is seen, and whether they are on this host.
void expect_of(EachOf kind, const Verdict& verdict, bool fine, std::size_t at_least) {
  const Verdict all_seen = judged(healthy);
  std::size_t rules = 0;
  for (const Rule& rule : all_rules()) {
    if (rule.covers.each != kind || !is_fine(all_seen, rule.id)) continue;
    ++rules;
    EXPECT_EQ(is_fine(verdict, rule.id), fine) << rule.id;
    if (!fine) {
      EXPECT_THAT(why_not(verdict, rule.id), HasSubstr("23,999 connections without a row")) << rule.id;
    }
  }
  EXPECT_GE(rules, at_least);
}

void large(SampleBuilder& sample, std::size_t i) {
  healthy(sample, i);
  sample.count(TcpState::established, 24'000);
}

TEST(Coverage, who_judges_flows_is_fine_only_where_all_that_carry_data_have_a_row) {
  expect_of(EachOf::flows, judged(large), false, 8);
  expect_of(EachOf::flows, judged([](SampleBuilder& sample, std::size_t i) {
              large(sample, i);
              sample.set([](Sample& s) { s.quiet_unlisted = true; });
            }),
            true, 8);
}

TEST(Coverage, who_judges_senders_is_fine_only_where_nothing_waits_in_others) {
  expect_of(EachOf::senders, judged(large), true, 2);
  expect_of(EachOf::senders, judged([](SampleBuilder& sample, std::size_t i) {
              large(sample, i);
              sample.host_ns().states[index_of(TcpState::established)].send_q = 200;
            }),
            false, 2);
}

TEST(Coverage, who_judges_what_waits_is_fine_on_a_large_host_but_not_over_the_limit_of_rows) {
  const Verdict on_large = judged(large);
  const Verdict too_many = judged([](SampleBuilder& sample, std::size_t i) {
    healthy(sample, i);
    sample.set([](Sample& s) { s.rows_suppressed = 10; });
  });
  std::size_t fine_before = 0;
  for (const Rule& rule : all_rules()) {
    // Idle connections have no rows there, and are all that it is about.
    if (rule.id == "established-dead-peer-leak") continue;
    if (rule.covers.each == EachOf::none) {
      EXPECT_EQ(is_fine(on_large, rule.id), is_fine(judged(healthy), rule.id)) << rule.id;
      continue;
    }
    EXPECT_FALSE(is_fine(too_many, rule.id)) << rule.id;
    if (rule.covers.each != EachOf::what_waits || !is_fine(on_large, rule.id)) continue;
    ++fine_before;
    EXPECT_THAT(why_not(too_many, rule.id), HasSubstr("10 sockets over the limit of rows")) << rule.id;
  }
  EXPECT_GE(fine_before, 3u);
}

TEST(Coverage, a_finding_stands_beside_what_was_not_seen) {
  const Verdict verdict = judged([](SampleBuilder& sample, std::size_t i) {
    sample.add(a_process(7, "slow")).add(a_socket().cookie(2).recv_q(90'000).rcvbuf(131'072, 131'072).pid(7, "slow"));
    sample.host_ns().counters["Tcp.OutSegs"] = 1'000 * i;
    sample.set([](Sample& s) { s.rows_suppressed = 10; });
  });
  EXPECT_THAT(verdict.findings, Contains(Field(&Finding::id, "reader-too-slow")));
  EXPECT_THAT(why_not(verdict, "reader-too-slow"), HasSubstr("10 sockets over the limit of rows"));
}

}  // namespace
}  // namespace tcpadvisor::coverage_test
