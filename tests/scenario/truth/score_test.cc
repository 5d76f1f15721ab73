// SPDX-License-Identifier: Apache-2.0
#include "tests/scenario/truth/score.h"

#include <gtest/gtest.h>

#include "tests/scenario/truth/witness.h"

namespace tcpadvisor::truth {
namespace {

using nlohmann::json;

Said said(std::string id, Severity severity = Severity::warning, pid_t pid = 7) {
  return {.id = std::move(id), .title = {}, .severity = severity, .pid = pid};
}

Expectation wants(std::string_view id, pid_t pid = 7, Severity least = Severity::warning) {
  return {.wanted = {{.id = id, .pid = pid, .least = least}}, .beside = {}, .never = {}};
}

using Ids = std::vector<std::string>;

TEST(Judge, WhatIsWantedIsRight) {
  const Judged judged = judge(wants("a"), {said("a"), said("b", Severity::info)});
  EXPECT_EQ(judged.right, 1U);
  EXPECT_TRUE(judged.missed.empty() && judged.too_much.empty());
}

TEST(Judge, AnotherProcessIsBlamedWrongly) {
  const Judged judged = judge(wants("a"), {said("a", Severity::warning, 8)});
  EXPECT_EQ(judged.missed, Ids{"a"});
  EXPECT_EQ(judged.too_much, Ids{"a[8]"});
  EXPECT_EQ(judge(wants("a", 0), {said("a", Severity::warning, 8)}).right, 1U);
}

TEST(Judge, TooQuietIsMissed) {
  EXPECT_EQ(judge(wants("a"), {said("a", Severity::info)}).missed, Ids{"a"});
  EXPECT_EQ(judge(wants("a", 7, Severity::info), {said("a", Severity::info)}).right, 1U);
  EXPECT_EQ(judge(wants("a", 7, Severity::info), {said("a", Severity::critical)}).right, 1U);
}

TEST(Judge, WhatIsSaidBesideIsFalseFromWarningOn) {
  EXPECT_EQ(judge(wants("a"), {said("a"), said("b")}).too_much, Ids{"b[7]"});
  Expectation expected = wants("a");
  expected.beside = {"b"};
  EXPECT_TRUE(judge(expected, {said("a"), said("b")}).too_much.empty());
  expected.never = {"c"};
  EXPECT_EQ(judge(expected, {said("a"), said("c", Severity::info)}).too_much, Ids{"c[7]"});
}

TEST(Judge, OneFindingIsCountedOnce) {
  EXPECT_EQ(judge(wants("a"), {said("a"), said("a")}).too_much, Ids{"a[7]"}) << "said twice";
  Expectation twice = wants("a");
  twice.wanted.push_back(twice.wanted.front());
  EXPECT_EQ(judge(twice, {said("a")}).missed, Ids{"a"}) << "two are wanted";
}

TEST(Judge, SilenceAboutNothingIsRight) {
  const Judged judged = judge({}, {});
  EXPECT_EQ(judged.right + judged.missed.size() + judged.too_much.size(), 0U);
}

TEST(Findings, AreReadFromWhateverIsThere) {
  EXPECT_TRUE(findings_in(json()).empty());
  EXPECT_TRUE(findings_in(json::parse(R"({"findings": [1, null, "x"]})")).empty());
  const auto some = findings_in(json::parse(
      R"({"findings": [{"id": "a", "severity": "critical", "title": "t", "scope": {"pid": 5}}, {"id": 3, "scope": []}]})"));
  ASSERT_EQ(some.size(), 2U);
  EXPECT_EQ(some[0].id, "a");
  EXPECT_EQ(some[0].severity, Severity::critical);
  EXPECT_EQ(some[0].pid, 5);
  EXPECT_EQ(some[1].id, "");
  EXPECT_EQ(some[1].pid, 0);
}

TEST(Blamed, TheLoudestIsIt) {
  EXPECT_EQ(blamed({}), Class::none);
  EXPECT_EQ(blamed({said("do-nothing", Severity::info)}), Class::none);
  EXPECT_EQ(blamed({said("peer-window-limited", Severity::info), said("sndbuf-locked-by-app")}), Class::sender_buffer);
  EXPECT_EQ(blamed({said("reader-too-slow"), said("peer-not-reading")}), Class::application) << "the first of equals";
}

TEST(Blamed, OneRuleKnowsSeveralCauses) {
  Said loss = said("retrans-cc-qdisc");
  loss.title = "1 % of the segments are lost on a full path";
  EXPECT_EQ(blamed({loss}), Class::congestion);
  loss.title = "1 % of the segments are lost on a path without a queue";
  EXPECT_EQ(blamed({loss}), Class::path);
  loss.title = "1 % of the segments were sent again without need";
  EXPECT_EQ(blamed({loss}), Class::none);
}

TEST(Totals, NothingToFindIsNoFailure) {
  EXPECT_EQ(Totals{}.precision(), 1);
  EXPECT_EQ(Totals{}.recall(), 1);
  const Totals some{.right = 3, .missed = 1, .too_much = 2};
  EXPECT_DOUBLE_EQ(some.precision(), 0.6);
  EXPECT_DOUBLE_EQ(some.recall(), 0.75);
}

TEST(Matrix, IsDiagonalIfNothingIsBeside) {
  Matrix matrix{};
  EXPECT_TRUE(is_diagonal(matrix, false));
  EXPECT_FALSE(is_diagonal(matrix, true)) << "nothing was run";
  for (std::size_t i = 0; i < matrix.size(); ++i) matrix[i][i] = 2;
  EXPECT_TRUE(is_diagonal(matrix, true));
  matrix[0][6] = 1;
  EXPECT_FALSE(is_diagonal(matrix, true));
  EXPECT_FALSE(is_diagonal(matrix, false));
  EXPECT_NE(matrix_text(matrix).find("application"), std::string::npos);
}

TEST(Witness, ReadsALineOfSs) {
  const SocketSeen seen = parse_ss_line(
      "ESTAB 7 9 10.77.0.1:443 [::1]:5000 timer:(persist,1.2sec,3) ino:24289453 sk:e6751 cgroup:/ <-> "
      "skmem:(r4,rb131072,t0,tb499200,f0,w0,o864,bl0,d5) bbr wscale:10,7 rtt:30.155/15.077 retrans:1/12 "
      "rwnd_limited:1204ms(96.0%) minrtt:30.1");
  EXPECT_EQ(seen.state, "ESTAB");
  EXPECT_EQ(seen.local_port, 443);
  EXPECT_EQ(seen.remote_port, 5000);
  EXPECT_EQ(seen.recv_q, 7);
  EXPECT_EQ(seen.send_q, 9);
  EXPECT_EQ(seen.timer, "persist");
  EXPECT_EQ(seen.inode, 24289453U);
  EXPECT_EQ(seen.number("skmem.rb"), 131072);
  EXPECT_EQ(seen.number("skmem.d"), 5);
  EXPECT_DOUBLE_EQ(seen.number("rtt"), 30.155);
  EXPECT_EQ(seen.number("retrans"), 12);
  EXPECT_EQ(seen.number("rwnd_limited"), 1204);
  EXPECT_EQ(seen.number("cwnd"), 0) << "not said";
}

TEST(Witness, ReadsAnyLineOfSs) {
  for (const char* line :
       {"", "ESTAB", "ESTAB x y z", "LISTEN 0 5 a: b:", "ESTAB 0 0 1:2 3:4 timer:( skmem:( retrans:/"}) {
    (void)parse_ss_line(line);
  }
}

TEST(Witness, ReadsCounters) {
  const auto counters = parse_counters("TcpExt: ListenOverflows ListenDrops\nTcpExt: 3 4\nIp: Forwarding\nIp: -1\n");
  EXPECT_EQ(counters.at("TcpExt.ListenDrops"), 4);
  EXPECT_EQ(counters.at("Ip.Forwarding"), -1);
  EXPECT_TRUE(parse_counters("TcpExt: A\nIpExt: 1\n").empty()) << "two lines that do not belong together";
  EXPECT_TRUE(parse_counters("").empty());
}

}  // namespace
}  // namespace tcpadvisor::truth
