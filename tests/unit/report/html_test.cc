// SPDX-License-Identifier: Apache-2.0
// The HTML form and what it is made of: the table of resources, the courses over the window, the drawings. How it looks
// in a browser is asked by tests/e2e/html_report.sh.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>
#include <regex>
#include <set>

#include "advisor/report/svg.h"
#include "advisor/report/use_table.h"
#include "advisor/rules/registry.h"
#include "tests/unit/queue_stories.h"
#include "tests/unit/report/situations.h"

namespace tcpadvisor::html_test {
namespace {

using situation::rendered;
using situation::report_of;
using situation::Situation;
using situation::situations;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

const UseRow& row_of(const std::vector<UseRow>& table, std::string_view resource) {
  return *std::ranges::find(table, resource, &UseRow::resource);
}

TEST(UseTable, every_rule_has_its_place) {
  for (const Rule& rule : all_rules()) EXPECT_THAT(std::string(use_resource_of(rule.id)), Not(IsEmpty())) << rule.id;
}

TEST(UseTable, a_cell_is_as_bad_as_its_worst_finding_and_leads_to_it) {
  const Report report = report_of(situation::mixed_window());
  const std::vector<UseRow> table = use_table(report.verdict);
  EXPECT_EQ(table.size(), 9u);
  const UseCell& drops = row_of(table, "Accept queues").cells[2];
  EXPECT_EQ(drops.status, UseStatus::warning);
  ASSERT_EQ(drops.instances.size(), 1u);
  EXPECT_EQ(drops.instances[0],
            std::ranges::find(report.verdict.findings, "backlog-too-small", &Finding::id)->instance);
  const UseCell& queue = row_of(table, "Accept queues").cells[0];
  EXPECT_EQ(queue.status, UseStatus::fine);
  EXPECT_THAT(queue.text, StartsWith("fullest accept queue"));
  EXPECT_EQ(row_of(table, "Ports").cells[1].status, UseStatus::fine) << "harmless TIME_WAIT only informs";
}

TEST(UseTable, what_was_not_seen_is_not_fine) {
  Verdict verdict;
  verdict.not_assessed = {{"tcp-mem-pressure-global", "sockstat was not read", true},
                          {"conntrack-full", "no such table", false}};
  const std::vector<UseRow> table = use_table(verdict);
  EXPECT_EQ(row_of(table, "TCP memory").cells[0].status, UseStatus::not_seen);
  EXPECT_EQ(row_of(table, "TCP memory").cells[0].text, "sockstat was not read");
  EXPECT_EQ(row_of(table, "Descriptors and tables").cells[0].status, UseStatus::absent);
  EXPECT_EQ(row_of(table, "Path").cells[2].status, UseStatus::no_rule) << "nobody asked";
}

TEST(Pictures, the_chain_of_a_stuck_connection_has_all_its_queues) {
  const Report report = report_of(build::s1_pending_window());
  ASSERT_THAT(report.verdict.findings, Not(IsEmpty()));
  const Finding& first = report.verdict.findings.front();
  const Pictures& pictures = report.pictures.at(first.instance);
  ASSERT_TRUE(pictures.chain) << first.title;
  EXPECT_EQ(pictures.chain->writer, "beam.smp[812]");
  EXPECT_EQ(pictures.chain->reader, "client[4711]");
  EXPECT_EQ(pictures.chain->driver, 778'763u);
  EXPECT_EQ(pictures.chain->send_q, 130'944u);
  EXPECT_EQ(pictures.chain->window, 0u);
  EXPECT_EQ(pictures.chain->recv_q, 137'845u);
  EXPECT_GE(pictures.courses.size(), 2u);
}

TEST(Pictures, a_leak_is_drawn_as_the_state_and_the_descriptors_of_its_process) {
  const Report report = report_of(situation::mixed_window());
  const auto leak = std::ranges::find(report.verdict.findings, "close-wait-leak", &Finding::id);
  std::vector<std::string> names;
  for (const Course& course : report.pictures.at(leak->instance).courses) names.push_back(course.name);
  EXPECT_THAT(names, Contains("CLOSE_WAIT sockets of payments[4242]"));
  EXPECT_THAT(names, Contains("Descriptors of payments[4242]"));
}

TEST(Pictures, a_long_window_is_thinned_and_keeps_its_peaks) {
  Series series;
  for (int i = 0; i < 10'000; ++i) series.add(i, i == 4321 ? 9 : 1);
  const Series few = thinned(series);
  EXPECT_LE(few.size(), Course::kMostPoints);
  EXPECT_EQ(few.max(), 9);
  EXPECT_EQ(few.points().back().t_s, 9999);
  EXPECT_EQ(thinned(few).size(), few.size());
}

TEST(Svg, numbers_that_are_none_or_endless_draw_within_the_picture) {
  for (const double odd : {0.0, -5.0, 1e300, std::nan(""), HUGE_VAL}) {
    Course course{.name = "odd", .unit = "bytes", .series = {}, .marks = {{"mark", odd}}};
    for (int i = 0; i < 3; ++i) course.series.add(i, i == 1 ? odd : 1);
    const std::string svg = svg_course(course, "x");
    static const std::regex points("points=\"([^\"]*)\"");
    for (std::sregex_iterator it(svg.begin(), svg.end(), points), last; it != last; ++it)
      EXPECT_TRUE(std::regex_match((*it)[1].str(), std::regex("[0-9., ]+"))) << svg;
  }
}

TEST(Svg, names_are_escaped_and_the_text_says_what_the_eye_sees) {
  Course course{.name = "<b>&", .unit = "sockets", .series = {}, .marks = {{"limit", 7}}};
  course.series.add(0, 1);
  course.series.add(5, 6);
  const std::string svg = svg_course(course, "x");
  EXPECT_THAT(svg, HasSubstr("<title id=\"x-t\">&lt;b&gt;&amp;</title>"));
  EXPECT_THAT(svg, HasSubstr("From 1 to 6 in 5 s, at most 6. limit: 7."));
  Chain chain{.writer = "<i>[1]",
              .reader = "10.0.0.2:80",
              .driver = {},
              .send_q = 5,
              .send_limit = 10,
              .window = 0,
              .in_flight = {},
              .recv_q = {},
              .recv_limit = {}};
  const std::string drawn = svg_chain(chain, "c");
  EXPECT_THAT(drawn, HasSubstr("&lt;i&gt;[1]"));
  EXPECT_THAT(drawn, HasSubstr("window shut"));
  EXPECT_THAT(drawn, HasSubstr("Recv-Q not here;"));
}

/// Tags of the document, in order, without attributes.
std::vector<std::string> tags_of(const std::string& html) {
  static const std::regex tag("<(/?[a-z0-9]+)[ >/]");
  std::vector<std::string> out;
  for (std::sregex_iterator it(html.begin(), html.end(), tag), last; it != last; ++it) out.push_back((*it)[1]);
  return out;
}

TEST(ReportHtml, has_only_our_own_elements_and_closes_them_whatever_the_names_are) {
  static const std::set<std::string> kOurs = {
      "html",   "head",  "meta",  "title",   "style",    "body", "a",    "header", "main", "section", "article",
      "footer", "h1",    "h2",    "h3",      "h4",       "p",    "dl",   "dt",     "dd",   "div",     "span",
      "table",  "thead", "tbody", "tr",      "th",       "td",   "ul",   "li",     "code", "figure",  "figcaption",
      "svg",    "desc",  "line",  "polygon", "polyline", "text", "rect", "path"};
  static const std::set<std::string> kEmpty = {"meta", "line", "polygon", "polyline", "rect", "path"};
  for (const Situation& one : situations()) {
    const std::string html = rendered("html", one.window());
    std::vector<std::string> open;
    for (const std::string& tag : tags_of(html)) {
      const bool closes = tag.starts_with('/');
      const std::string name = closes ? tag.substr(1) : tag;
      ASSERT_TRUE(kOurs.contains(name)) << one.name << ": " << tag;
      if (kEmpty.contains(name)) continue;
      if (!closes) {
        open.push_back(name);
        continue;
      }
      ASSERT_FALSE(open.empty()) << one.name << ": " << tag;
      EXPECT_EQ(open.back(), name) << one.name;
      open.pop_back();
    }
    EXPECT_THAT(open, IsEmpty()) << one.name;
    EXPECT_THAT(html, Not(HasSubstr("onerror=y>"))) << one.name;
    EXPECT_THAT(html, HasSubstr("default-src 'none'"));
    EXPECT_LT(html.find("<h1"), html.find("<table")) << "the verdict comes first";
  }
}

TEST(ReportHtml, ids_are_used_once) {
  static const std::regex id(" id=\"([^\"]*)\"");
  for (const Situation& one : situations()) {
    const std::string html = rendered("html", one.window());
    std::set<std::string> seen;
    for (std::sregex_iterator it(html.begin(), html.end(), id), last; it != last; ++it)
      EXPECT_TRUE(seen.insert((*it)[1]).second) << one.name << ": " << (*it)[1];
  }
}

}  // namespace
}  // namespace tcpadvisor::html_test
