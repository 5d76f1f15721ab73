// SPDX-License-Identifier: Apache-2.0
// "Fine" is said only where all was seen that a rule judges.
#include <gmock/gmock.h>

#include <algorithm>
#include <string>

#include "advisor/rules/registry.h"
#include "advisor/verdict/verdict.h"
#include "tests/unit/builders.h"

namespace tcpadvisor {
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

TEST(Coverage, who_judges_connections_one_by_one_is_not_fine_where_some_have_no_row) {
  const Verdict all_seen = judged(healthy);
  const Verdict large = judged([](SampleBuilder& sample, std::size_t i) {
    healthy(sample, i);
    sample.count(TcpState::established, 24'000);
  });
  std::size_t fine_before = 0;
  for (const Rule& rule : all_rules()) {
    if (!is_fine(all_seen, rule.id)) continue;
    if (rule.covers.each != EachOf::connections) {
      EXPECT_THAT(why_not(large, rule.id), Not(HasSubstr("one by one"))) << rule.id;
      continue;
    }
    ++fine_before;
    EXPECT_FALSE(is_fine(large, rule.id)) << rule.id;
    EXPECT_THAT(why_not(large, rule.id), HasSubstr("23,999 connections that carry less")) << rule.id;
  }
  EXPECT_GE(fine_before, 8u) << "they must have been fine where all was seen";
}

TEST(Coverage, who_judges_what_waits_is_fine_on_a_large_host_but_not_over_the_limit_of_rows) {
  const Verdict large = judged([](SampleBuilder& sample, std::size_t i) {
    healthy(sample, i);
    sample.count(TcpState::established, 24'000);
  });
  const Verdict too_many = judged([](SampleBuilder& sample, std::size_t i) {
    healthy(sample, i);
    sample.set([](Sample& s) { s.rows_suppressed = 10; });
  });
  std::size_t fine_before = 0;
  for (const Rule& rule : all_rules()) {
    if (rule.covers.each == EachOf::none) {
      EXPECT_EQ(is_fine(large, rule.id), is_fine(judged(healthy), rule.id)) << rule.id;
      continue;
    }
    EXPECT_FALSE(is_fine(too_many, rule.id)) << rule.id;
    if (rule.covers.each != EachOf::what_waits || !is_fine(large, rule.id)) continue;
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
}  // namespace tcpadvisor
