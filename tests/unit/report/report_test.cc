// SPDX-License-Identifier: Apache-2.0
// The whole report against golden files. TCPADVISOR_GOLDEN=write rewrites them.
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
#include "tests/unit/builders.h"
#include "tests/unit/queue_stories.h"

namespace tcpadvisor {
namespace {

using namespace std::chrono_literals;
using build::a_process;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;
using testing::Not;

const std::filesystem::path kRoot = TCPADVISOR_SOURCE_DIR;

Policy lab() {
  return *Policy::named("lab");
}

Window quiet_window() {
  return a_window(9, [](SampleBuilder& sample, std::size_t) {
    sample.add(a_socket().listen(22, 0, 128).pid(700, "sshd").drops(0)).count(TcpState::listen, 1);
  });
}

/// A leak, a slow reader, a capped backlog and harmless TIME_WAIT on one host; a namespace that could not be entered.
Window mixed_window() {
  return a_window(9, [](SampleBuilder& sample, std::size_t i) {
    Endpoint service = Endpoint::v4(10, 0, 0, 1, 8443);
    sample.add(a_socket().listen(8443, 0, 16).pid(4242, "payments").drops(i < 5 ? 0 : 347));
    sample.counter("TcpExt.ListenOverflows", i < 5 ? 0 : 347);
    sample.add(50, a_socket().close_wait().age(49s + 1s * i).pid(4242, "payments").local(service).recv_q(12), 100);
    sample.add(a_process(4242, "payments")
                   .close_wait(static_cast<std::uint32_t>(42 + i), 42)
                   .fds(212, 1024)
                   .cgroup("/system.slice/payments.service"));
    sample.add(a_socket().cookie(9000).pid(5151, "batch").recv_q(1'200'000).rcvbuf(2'000'000, 1'990'000));
    sample.count(TcpState::time_wait, 12'000).count(TcpState::close_wait, 50).count(TcpState::established, 1);
    sample.count(TcpState::listen, 1).sysctl("net.core.somaxconn", {16});
    sample.cover("calls", "").set([](Sample& s) {
      NetnsSample blue;
      blue.id = 7;
      blue.name = "blue";
      blue.error = "cannot enter: Operation not permitted (needs CAP_SYS_ADMIN)";
      s.netns.push_back(blue);
      s.self.lost = {{"events", 3}, {"samples", 0}};
    });
  });
}

/// Who set the backlog, the buffers and the switch: a file, somebody just now, the namespace of a pod.
Window settings_window() {
  return a_window(9, [](SampleBuilder& sample, std::size_t i) {
    sample.add(a_socket().listen(8443, 0, 16).pid(4242, "payments").drops(i < 5 ? 0 : 347));
    sample.counter("TcpExt.ListenOverflows", i < 5 ? 0 : 347);
    sample.count(TcpState::listen, 1).sysctl("net.core.somaxconn", {16});
    sample.sysctl("net.ipv4.tcp_rmem", {4096, 131'072, i < 4 ? 6'291'456 : 65'536});
    sample.sysctl("net.ipv4.tcp_window_scaling", {0}).set([](Sample& s) {
      NetnsSample pod;
      pod.id = 7;
      pod.name = "pid:5151";
      pod.sysctls["net.ipv4.tcp_moderate_rcvbuf"].values = {0};
      s.netns.push_back(pod);
      OwnerTotals owner;
      owner.pid = 5151;
      owner.comm = "web";
      owner.netns = 7;
      owner.cgroup = "/kubepods/pod11111111-2222-3333-4444-555555555555";
      s.owners.push_back(owner);
      auto line = [](std::string knob, std::string value, std::string file, std::uint32_t number) {
        return SettingLine{.knob = std::move(knob), .value = std::move(value), .file = std::move(file), .line = number};
      };
      s.setting_files.emplace().lines = {
          line("net.core.somaxconn", "16", "/etc/sysctl.d/99-tuning.conf", 3),
          line("net.ipv4.tcp_rmem", "4096 131072 6291456", "/usr/lib/sysctl.d/50-vendor.conf", 8)};
    });
  });
}

/// Two findings that take the most words: a small machine under pressure, orphans of many peers.
Window pressed_window(const std::string& comm) {
  return a_window(9, [&](SampleBuilder& sample, std::size_t i) {
    sample.set([](Sample& s) {
      s.memory.pages = 420'000;
      s.memory.under_pressure = true;
      s.memory.pressure_ms = 91'000;
    });
    sample.counter("TcpExt.TCPMemoryPressures", i / 4)
        .counter("TcpExt.TCPRcvQDrop", 130 * i)
        .counter("TcpExt.TCPAbortOnMemory", i);
    for (Pid pid = 1; pid < 5; ++pid) sample.add(a_process(pid, comm).memory(400'000'000 + pid, 10'000'000));
    sample.add(40, a_socket().fin_wait_2().holder(Holder::orphan)).count(TcpState::fin_wait_2, 40'000);
  });
}

Window pressed_window() {
  return pressed_window("consumer-with-a-long");
}

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

std::string rendered(std::string_view format, const Window& window, const ReportStyle& style = {}) {
  return find_report_format(format)->render(make_report(window, lab(), judge(window, lab()), "0.0.0-test"), style);
}

struct Case {
  const char* name;
  Window (*window)();
};
const Case kCases[] = {{"quiet", quiet_window},
                       {"mixed", mixed_window},
                       {"pressed", pressed_window},
                       {"settings", settings_window},
                       {"s1-pending", [] { return build::s1_pending_window(); }},
                       {"s1-dropped", build::s1_dropped_window},
                       {"s2", build::s2_window},
                       {"s3", build::s3_window},
                       {"s4", [] { return build::s4_window(); }}};

TEST(ReportGolden, text) {
  for (const Case& one : kCases) {
    Window window = one.window();
    compare_with_golden(std::string("report-") + one.name + ".txt", rendered("text", window));
  }
}

TEST(ReportGolden, json) {
  for (const Case& one : kCases) {
    Window window = one.window();
    compare_with_golden(std::string("report-") + one.name + ".json", rendered("json", window));
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
}

TEST(ReportText, lines_are_at_most_100_columns_and_findings_12_lines) {
  for (const Case& one : kCases) {
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
  for (const Case& one : kCases)
    EXPECT_TRUE(validates(kRoot / "tests/golden" / (std::string("report-") + one.name + ".json"))) << one.name;

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
}  // namespace tcpadvisor
