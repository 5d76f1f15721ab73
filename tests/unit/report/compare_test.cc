// SPDX-License-Identifier: Apache-2.0
#include "advisor/report/compare.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/unit/report/situations.h"

namespace tcpadvisor::compare_test {
namespace {

using situation::report_of;
using testing::HasSubstr;

Finding& finding_of(Report& report, std::string_view id) {
  return *std::ranges::find(report.verdict.findings, id, &Finding::id);
}

const Difference& difference_of(const Comparison& comparison, std::string_view id) {
  return *std::ranges::find(comparison.differences, id, &Difference::id);
}

std::string as(std::string_view format, Report report, const Baseline& then) {
  report.comparison = compare(then, report);
  return find_report_format(format)->render(report, {});
}

TEST(Compare, a_report_with_itself_is_the_same_also_by_way_of_json) {
  const Report report = report_of(situation::mixed_window());
  const auto then = baseline_from_json(find_report_format("json")->render(report, {}));
  ASSERT_TRUE(then) << then.error().message;
  const Comparison comparison = compare(*then, report);
  EXPECT_EQ(comparison.count(ChangeKind::same), report.verdict.findings.size());
  EXPECT_EQ(comparison.differences.size(), report.verdict.findings.size());
  EXPECT_EQ(comparison.start, "2026-09-21T14:13:20Z");
  EXPECT_FALSE(got_worse(comparison));
}

TEST(Compare, new_and_resolved) {
  const Report busy = report_of(situation::mixed_window()), quiet = report_of(situation::quiet_window());
  const Comparison came = compare(baseline_of(quiet), busy), went = compare(baseline_of(busy), quiet);
  EXPECT_EQ(difference_of(came, "close-wait-leak").kind, ChangeKind::added);
  EXPECT_TRUE(got_worse(came));
  EXPECT_EQ(difference_of(went, "close-wait-leak").kind, ChangeKind::resolved);
  EXPECT_FALSE(got_worse(went));
}

TEST(Compare, what_is_not_judged_now_is_not_resolved) {
  const Report busy = report_of(situation::mixed_window());
  Report blind = report_of(situation::quiet_window());
  std::erase_if(blind.verdict.checked_and_fine,
                [](const CheckedAndFine& fine) { return fine.id == "close-wait-leak"; });
  EXPECT_EQ(difference_of(compare(baseline_of(busy), blind), "close-wait-leak").kind, ChangeKind::not_seen);
}

TEST(Compare, a_process_that_began_again_is_the_same_finding) {
  const Report then = report_of(situation::mixed_window());
  Report now = then;
  finding_of(now, "close-wait-leak").instance = "0123456789abcdef";
  EXPECT_EQ(difference_of(compare(baseline_of(then), now), "close-wait-leak").kind, ChangeKind::same);
  finding_of(now, "close-wait-leak").scope.comm = "payments-2";
  EXPECT_EQ(difference_of(compare(baseline_of(then), now), "close-wait-leak").kind, ChangeKind::same)
      << "by kind of scope";
  finding_of(now, "close-wait-leak").scope.kind = ScopeKind::netns;
  EXPECT_EQ(difference_of(compare(baseline_of(then), now), "close-wait-leak").kind, ChangeKind::added);
}

TEST(Compare, worse_and_better_by_severity_then_by_the_first_number_with_a_threshold) {
  const Report then = report_of(situation::mixed_window());
  auto kind_if = [&then](auto change) {
    Report now = then;
    change(finding_of(now, "close-wait-leak"));
    return difference_of(compare(baseline_of(then), now), "close-wait-leak").kind;
  };
  EXPECT_EQ(kind_if([](Finding& f) { f.severity = Severity::critical; }), ChangeKind::worse);
  EXPECT_EQ(kind_if([](Finding& f) { f.severity = Severity::info; }), ChangeKind::better);
  EXPECT_EQ(kind_if([](Finding& f) { f.evidence[0].value *= 1.26; }), ChangeKind::worse);
  EXPECT_EQ(kind_if([](Finding& f) { f.evidence[0].value *= 1.2; }), ChangeKind::same);
  EXPECT_EQ(kind_if([](Finding& f) { f.evidence[0].value *= 0.7; }), ChangeKind::better);
  EXPECT_EQ(kind_if([](Finding& f) { f.evidence[0].metric = "another"; }), ChangeKind::same)
      << "two measures are not compared";
}

TEST(Compare, a_number_that_is_bad_when_small_is_worse_when_smaller) {
  const Report then = report_of(situation::mixed_window());
  Report before = then, now = then;
  for (auto [report, value] : {std::pair{&before, 8.0}, {&now, 4.0}}) {
    Measurement& first = finding_of(*report, "close-wait-leak").evidence[0];
    first.value = value;
    first.threshold = 10;
  }
  EXPECT_EQ(difference_of(compare(baseline_of(before), now), "close-wait-leak").kind, ChangeKind::worse);
}

TEST(Compare, information_that_is_new_is_nothing_that_got_worse) {
  const Report then = report_of(situation::quiet_window());
  Report now = report_of(situation::mixed_window());
  for (Finding& finding : now.verdict.findings) finding.severity = Severity::info;
  EXPECT_FALSE(got_worse(compare(baseline_of(then), now)));
}

TEST(Compare, every_form_tells_it) {
  const Report busy = report_of(situation::mixed_window());
  const Baseline then = baseline_of(report_of(situation::quiet_window()));
  EXPECT_THAT(as("text", busy, then), HasSubstr("Compared    with the report of 2026-09-21T14:13:20Z: 4 new"));
  EXPECT_THAT(as("text", busy, then), HasSubstr("CHANGED SINCE THAT REPORT (4)"));
  EXPECT_THAT(as("md", busy, then), HasSubstr("## Changed since the report of 2026-09-21T14:13:20Z (4)"));
  EXPECT_THAT(as("html", busy, then), HasSubstr("Changed since the report of 2026-09-21T14:13:20Z (4)"));
  EXPECT_THAT(as("sysctl", busy, then), HasSubstr("# tcpadvisor"));
  const nlohmann::json since = nlohmann::json::parse(as("json", busy, then))["changed_since"];
  EXPECT_EQ(since["start"], "2026-09-21T14:13:20Z");
  EXPECT_EQ(since["new"].size(), 4u);
  EXPECT_EQ(since["same"].size(), 0u);
  EXPECT_EQ(since["new"][0]["id"], "close-wait-leak");
}

TEST(Compare, what_is_no_report_is_refused_with_the_reason) {
  for (const char* text : {"", "[]", "{", "{\"findings\":[]}", "SQLite format 3", "\xff\xfe",
                           "{\"tool\":{\"name\":\"other\"},\"findings\":[]}"})
    EXPECT_EQ(baseline_from_json(text).error().code, ErrorCode::bad_input) << text;
  const auto newer = baseline_from_json("{\"tool\":{\"name\":\"tcpadvisor\"},\"findings\":[],\"schema_version\":2}");
  EXPECT_THAT(newer.error().message, HasSubstr("schema_version is 2"));
  const auto odd = baseline_from_json(
      "{\"tool\":{\"name\":\"tcpadvisor\"},\"schema_version\":1,\"window\":7,\"host\":[],\"checked_and_fine\":[3],"
      "\"findings\":[null,{\"id\":5,\"scope\":\"x\",\"evidence\":[1,{\"threshold\":null,\"value\":\"y\"}]}]}");
  ASSERT_TRUE(odd);
  EXPECT_EQ(odd->findings.size(), 1u);
}

}  // namespace
}  // namespace tcpadvisor::compare_test
