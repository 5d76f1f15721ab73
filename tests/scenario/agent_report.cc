// SPDX-License-Identifier: Apache-2.0
#include "tests/scenario/agent_report.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include "tests/scenario/netns.h"

namespace tcpadvisor::scenario {
namespace {

using nlohmann::json;

constexpr Millis kFaultPatience{120'000};  // software-emulated guests are slow
constexpr Millis kReportPatience{150'000};
constexpr int kSkipCode = 77;
constexpr double kLabAgeSeconds = 5;

std::string from_environment(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

std::filesystem::path own_folder() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path();
}

std::vector<std::string> fault_command(const std::vector<std::string>& arguments) {
  // Longer than any report takes; the fault ends with the test.
  std::vector<std::string> command{fault_binary()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  command.insert(command.end(), {"--hold", "10m"});
  return command;
}

/// A namespace without a name is called after one of its processes: "pid:4242". 0: another name, or gone.
std::uint64_t inode_of_netns(const std::string& name) {
  struct stat status{};
  return name.rfind("pid:", 0) == 0 && stat(("/proc/" + name.substr(4) + "/ns/net").c_str(), &status) == 0
             ? status.st_ino
             : 0;
}

std::string id_of(const json& finding) {
  return finding.value("id", "");
}

/// The setting that a finding proposes to change; empty if none.
std::string setting_of(const json& finding) {
  const json recommendation = finding.value("recommendation", json::object());
  const std::string knob = recommendation.value("knob", "");
  return knob.empty() && recommendation.value("kind", "") == "sysctl" ? "a sysctl without a name" : knob;
}

std::string brief(const std::vector<json>& findings) {
  std::string text;
  for (const json& finding : findings) {
    text += finding.dump(2) + "\n";
  }
  return text;
}

/// Each report of the tests, for who looks at them afterwards (tests/scenario/truth/valid_reports.py).
void keep(const std::string& report) {
  const std::string folder = from_environment("TCPADVISOR_KEEP_REPORTS", "");
  const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
  if (folder.empty() || test == nullptr) return;
  std::string name = std::string(test->test_suite_name()) + "." + test->name() + ".json";
  std::ranges::replace(name, '/', '-');
  std::ofstream(folder + "/" + name) << report;
}

}  // namespace

std::string agent_binary() {
  return from_environment("TCPADVISOR_BIN", own_folder().parent_path().parent_path() / "tcpadvisor");
}

std::string fault_binary() {
  return from_environment("TCPFAULT_BIN", own_folder() / "tcpfault");
}

bool in_guest() {
  // The first process of our guests is busybox's shell, which no installed system has.
  std::array<char, HOST_NAME_MAX + 1> name{};
  std::error_code error;
  const auto init = std::filesystem::read_symlink("/proc/1/exe", error);
  return !error && init.filename() == "busybox" && gethostname(name.data(), name.size()) == 0 &&
         std::string(name.data()) == "guest";
}

int guest_share() {
  const std::string share = from_environment("TCPADVISOR_TEST_SHARE", "");
  return share == "1" ? 1 : share == "2" ? 2 : 0;
}

std::string why_not_root() {
  return geteuid() == 0 ? "" : "needs root to make network namespaces";
}

os::UniqueFd new_netns() {
  const os::UniqueFd here(tcpfault::this_netns());
  tcpfault::enter_new_netns();
  os::UniqueFd fresh(tcpfault::this_netns());
  tcpfault::join_netns(here.get());
  return fresh;
}

Fault::Fault(const std::vector<std::string>& arguments, const ChildOptions& options)
    : child_(fault_command(arguments), options) {
  const auto line = child_.read_line(kFaultPatience);
  story_ = line ? json::parse(*line, nullptr, false) : json();
  if (!story_.is_object()) {
    error_ = "tcpfault said nothing useful: " + child_.wait(Millis{1'000}).err;
    story_ = json::object();
  } else if (!story_.value("ready", false)) {
    skipped_ = story_.value("skip", "");
    error_ = story_.value("error", "");
  }
}

Subject Fault::subject() const {
  Subject subject;
  for (const char* key : {"pid", "peer_pid"}) {
    if (const auto pid = story_.value(key, 0U); pid != 0) {
      subject.pids.push_back(pid);
    }
  }
  for (const char* key : {"netns", "peer_netns"}) {
    if (const auto netns = story_.value(key, std::uint64_t{0}); netns != 0) {
      subject.netns.push_back(netns);
    }
  }
  return subject;
}

bool concerns(const json& finding, const Subject& subject) {
  const json scope = finding.value("scope", json::object());
  const json pid = scope.value("pid", json());
  if (pid.is_number() && std::ranges::count(subject.pids, pid.get<std::uint32_t>()) > 0) {
    return true;
  }
  return std::ranges::count(subject.netns, inode_of_netns(scope.value("netns", ""))) > 0;
}

Expected leaked(std::string id, std::uint32_t pid, std::uint64_t count) {
  return {.id = std::move(id), .pid = pid, .count = count, .aged = true, .knob = {}};
}

json report(const std::vector<std::string>& arguments, const ChildOptions& options) {
  std::vector<std::string> command{agent_binary(), "report", "--for", "8s", "--policy", "lab", "--format", "json"};
  const bool hooks_chosen = std::ranges::find(arguments, "--hooks") != arguments.end();
  if (const std::string hooks = from_environment("TCPADVISOR_TEST_HOOKS", ""); !hooks.empty() && !hooks_chosen) {
    command.insert(command.end(), {"--hooks", hooks});
  }
  command.insert(command.end(), arguments.begin(), arguments.end());
  const Ended ended = run(command, kReportPatience, options);
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  keep(ended.out);
  json parsed = json::parse(ended.out, nullptr, false);
  EXPECT_TRUE(parsed.is_object() && parsed.contains("findings"))
      << "not a report: " << ended.out.substr(0, 2'000) << ended.err;
  return parsed.is_object() ? parsed : json::object();
}

std::vector<json> alarms(const json& report, const Subject& subject) {
  std::vector<json> found;
  for (const json& finding : report.value("findings", json::array())) {
    const std::string severity = finding.value("severity", "");
    if ((severity == "warning" || severity == "critical") && concerns(finding, subject)) {
      found.push_back(finding);
    }
  }
  return found;
}

void expect_alarms(const json& report, const Subject& subject, const std::vector<Expected>& expected) {
  const std::vector<json> found = alarms(report, subject);
  std::vector<std::string> found_ids, expected_ids;
  std::ranges::transform(found, std::back_inserter(found_ids), id_of);
  std::ranges::transform(expected, std::back_inserter(expected_ids), &Expected::id);
  std::ranges::sort(found_ids);
  std::ranges::sort(expected_ids);
  EXPECT_EQ(found_ids, expected_ids) << brief(found)
                                     << "not assessed: " << report.value("not_assessed", json::array()).dump(2);
  for (const Expected& wanted : expected) {
    // Of several of one rule the one that names the wanted process, if there is one.
    auto it = std::ranges::find_if(found, [&](const json& one) {
      return id_of(one) == wanted.id && wanted.pid && one["scope"].value("pid", json()) == json(*wanted.pid);
    });
    if (it == found.end()) it = std::ranges::find(found, wanted.id, id_of);
    if (it == found.end()) {
      continue;  // said above
    }
    const json& finding = *it;
    SCOPED_TRACE(finding.dump(2));
    const json scope = finding.value("scope", json::object());
    if (wanted.pid) {
      EXPECT_EQ(scope.value("pid", json()), json(*wanted.pid));
    }
    if (wanted.count) {
      EXPECT_EQ(scope.value("count", json()), json(*wanted.count));
    }
    const json evidence = finding.value("evidence", json::array());
    EXPECT_FALSE(evidence.empty());
    if (wanted.aged) {
      EXPECT_TRUE(std::ranges::any_of(evidence, [](const json& one) {
        return one.value("metric", "").find("age") != std::string::npos && one.value("unit", "") == "s" &&
               one.value("value", 0.0) >= kLabAgeSeconds;
      })) << "no age";
    }
    EXPECT_EQ(setting_of(finding), wanted.knob) << "no other setting cures this";
  }
}

bool is_checked_and_fine(const json& report, const std::string& id) {
  return std::ranges::any_of(report.value("checked_and_fine", json::array()),
                             [&](const json& fine) { return fine.value("id", "") == id; });
}

std::optional<std::string> not_assessed(const json& report, const std::string& id) {
  for (const json& unknown : report.value("not_assessed", json::array())) {
    if (unknown.value("id", "") == id) {
      return unknown.value("reason", "");
    }
  }
  return std::nullopt;
}

}  // namespace tcpadvisor::scenario
