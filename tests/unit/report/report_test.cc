// SPDX-License-Identifier: Apache-2.0
// The whole report against golden files. TCPADVISOR_GOLDEN=write rewrites them.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <ranges>
#include <sstream>

#include "advisor/base/columns.h"
#include "advisor/report/finding_json.h"
#include "advisor/report/formats.h"
#include "tests/unit/report/situations.h"

namespace tcpadvisor::report_test {
namespace {

using namespace situation;

using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;
using testing::Not;

const std::filesystem::path kRoot = TCPADVISOR_SOURCE_DIR;

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void compare_with_golden(const std::string& name, const std::string& text) {
  std::filesystem::path path = kRoot / "tests/golden" / name;
  const char* mode = std::getenv("TCPADVISOR_GOLDEN");
  if (mode != nullptr && std::string_view(mode) == "write") std::ofstream(path) << text;
  EXPECT_EQ(read(path), text) << "if the change is wanted: TCPADVISOR_GOLDEN=write";
}

TEST(ReportGolden, every_format_of_every_situation) {
  for (const Situation& one : situations()) {
    const Window window = one.window();
    for (const ReportFormat& format : report_formats()) {
      compare_with_golden(fmt::format("report-{}{}", one.name, format.suffix), rendered(format.name, window));
    }
  }
}

TEST(ReportFormats, are_found_by_name_and_the_first_is_text) {
  EXPECT_EQ(report_formats().front().name, "text");
  for (const ReportFormat& format : report_formats()) {
    EXPECT_EQ(find_report_format(format.name), &format) << "a name stands for one format only";
    EXPECT_THAT(std::string(format.media_type), HasSubstr("/"));
    EXPECT_THAT(rendered(format.name, quiet_window()), testing::EndsWith("\n"));
  }
  EXPECT_EQ(find_report_format("pdf"), nullptr);
  EXPECT_EQ(report_format_of_file("/tmp/a.b.md"), find_report_format("md"));
  EXPECT_EQ(report_format_of_file("99-tcpadvisor.conf"), find_report_format("sysctl"));
  EXPECT_EQ(report_format_of_file("md"), nullptr);
  EXPECT_EQ(report_format_of_file("report.pdf"), nullptr);
}

TEST(ReportText, lines_are_at_most_100_columns_and_findings_12_lines) {
  for (const Situation& one : situations()) {
    Window window = one.window();
    std::string text = rendered("text", window);
    std::size_t lines = 0, longest_finding = 0;
    for (auto part : std::views::split(text, '\n')) {
      std::string_view line(part.begin(), part.end());
      EXPECT_LE(columns_of(line), 100u) << line;
      lines = line.empty() ? 0 : lines + 1;
      bool in_finding = !line.starts_with("CHECKED") && !line.starts_with("NOT ");
      if (in_finding) longest_finding = std::max(longest_finding, lines);
      if (!in_finding) break;
    }
    EXPECT_LE(longest_finding, 12u) << one.name;
  }
}

TEST(ReportText, nothing_is_shortened_in_a_file) {
  const Window window = pressed_window(std::string(90, 'n'));
  EXPECT_NE(rendered("text", window).find("…"), std::string::npos) << "on a screen it is";
  const std::string text = rendered("text", window, {.whole = true});
  EXPECT_EQ(text.find("…"), std::string::npos) << text;
  for (const Finding& finding : judge(window, lab()).findings) {
    EXPECT_NE(text.find("  " + finding.title + "\n"), std::string::npos) << finding.title;
  }
}

TEST(ReportText, names_of_wide_and_combining_characters_fit_into_the_columns_too) {
  std::string accents;
  for (int i = 0; i < 20; ++i) accents += "e\u0301";
  for (const std::string& comm :
       {std::string("消費者消費者消費者消費"), std::string("🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘"), accents}) {
    Window window = pressed_window(comm);
    std::size_t widest = 0;
    std::string text = rendered("text", window);
    EXPECT_THAT(text, HasSubstr(comm));
    for (auto part : std::views::split(text, '\n'))
      widest = std::max(widest, columns_of(std::string_view(part.begin(), part.end())));
    EXPECT_LE(widest, 100u) << text;
    EXPECT_GE(widest, 90u) << "lines are filled, not broken early: " << text;
  }
}

TEST(ReportText, colours_only_when_asked) {
  Window window = mixed_window();
  EXPECT_THAT(rendered("text", window), Not(HasSubstr("\x1b")));
  EXPECT_THAT(rendered("text", window, {.color = true}), HasSubstr("\x1b[1;33mWARNING\x1b[0m"));
}

TEST(ReportText, says_when_the_observation_was_too_short) {
  Window window = a_window(1, [](SampleBuilder&, std::size_t) {});
  EXPECT_THAT(rendered("text", window), HasSubstr("NOT ENOUGH DATA"));
}

TEST(ReportJson, a_finding_is_the_same_object_everywhere) {
  Window window = mixed_window();
  Verdict verdict = judge(window, lab());
  nlohmann::json report = nlohmann::json::parse(rendered("json", window));
  ASSERT_FALSE(verdict.findings.empty());
  EXPECT_EQ(report["findings"][0], to_json(verdict.findings[0]));
}

TEST(ReportJson, numbers_that_are_not_numbers_become_null) {
  Finding finding;
  finding.evidence.push_back(
      {.metric = "m", .source = "s", .value = std::nan(""), .unit = "", .threshold = {}, .window_s = 1, .samples = 2});
  EXPECT_TRUE(to_json(finding)["evidence"][0]["value"].is_null());
}

/// The shipped schema accepts every golden report, and refuses one without evidence (so the check itself works).
TEST(ReportJson, follows_the_schema) {
  if (std::system("/usr/bin/python3 -c 'import jsonschema' 2>/dev/null") != 0) {
    GTEST_SKIP() << "python3-jsonschema is not installed";
  }
  auto validates = [](const std::filesystem::path& instance) {
    std::string command = "/usr/bin/python3 -W ignore -m jsonschema -i '" + instance.string() + "' '" +
                          (kRoot / "docs/report.schema.json").string() + "'";
    return std::system(command.c_str()) == 0;
  };
  for (const Situation& one : situations())
    EXPECT_TRUE(validates(kRoot / "tests/golden" / (std::string("report-") + one.name + ".json"))) << one.name;

  const std::filesystem::path compared =
      std::filesystem::path(testing::TempDir()) / ("report-compared-" + std::to_string(getpid()) + ".json");
  Report report = report_of(hostile_window());
  report.comparison = compare(baseline_of(report_of(mixed_window())), report);
  std::ofstream(compared) << find_report_format("json")->render(report, {});
  EXPECT_TRUE(validates(compared)) << "with what has changed";
  std::filesystem::remove(compared);

  nlohmann::json broken = nlohmann::json::parse(read(kRoot / "tests/golden/report-mixed.json"));
  broken["findings"][0]["evidence"] = nlohmann::json::array();
  std::filesystem::path path =
      std::filesystem::path(testing::TempDir()) / ("report-broken-" + std::to_string(getpid()) + ".json");
  std::ofstream(path) << broken.dump();
  testing::internal::CaptureStderr();
  EXPECT_FALSE(validates(path));
  testing::internal::GetCapturedStderr();
  std::filesystem::remove(path);
}

TEST(ScopeText, a_process_of_another_pid_namespace_has_both_numbers) {
  Scope scope;
  scope.kind = ScopeKind::process;
  scope.pid = 4242;
  scope.comm = "leaky";
  EXPECT_THAT(scope_text(scope), HasSubstr("leaky[4242]"));
  EXPECT_THAT(scope_text(scope), Not(HasSubstr("inside")));
  scope.pid_inside = 7;
  EXPECT_THAT(scope_text(scope), HasSubstr("leaky[4242] (pid 7 inside its pid namespace)"));
  scope.group = OwnerGroup{.kind = GroupKind::container, .name = "web", .id = "abc", .pod = {}};
  EXPECT_THAT(scope_text(scope), HasSubstr("leaky[4242] (pid 7 inside its container) in"));
  scope.others = {{.pid = 4300, .comm = "child", .fds = 1, .pid_inside = 9}};
  Finding finding;
  finding.scope = scope;
  nlohmann::json out = to_json(finding)["scope"];
  EXPECT_EQ(out["pid"], 4242);
  EXPECT_EQ(out["pid_inside"], 7);
  EXPECT_EQ(out["holders"][0]["pid_inside"], 7);
  EXPECT_EQ(out["holders"][1]["pid_inside"], 9);
}

TEST(ScopeText, a_holder_outside_has_no_number) {
  Scope scope;
  scope.kind = ScopeKind::netns;
  scope.holder = Holder::outside;
  scope.last_users = "nginx";
  EXPECT_THAT(scope_text(scope), HasSubstr("outside this container, last used by nginx"));
  Finding finding;
  finding.scope = scope;
  nlohmann::json out = to_json(finding)["scope"];
  EXPECT_EQ(out["holder"], "outside this container");
  EXPECT_EQ(out["last_used_by"], "nginx");
  EXPECT_FALSE(out.contains("pid") || out.contains("pid_inside") || out.contains("holders"));
  scope.holder = Holder::no_descriptor;
  EXPECT_THAT(scope_text(scope), HasSubstr("no process has a descriptor, last used by nginx"));
}

}  // namespace
}  // namespace tcpadvisor::report_test
