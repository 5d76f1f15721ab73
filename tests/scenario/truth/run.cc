// SPDX-License-Identifier: Apache-2.0
#include "tests/scenario/truth/run.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <utility>

#include "tests/scenario/child.h"

namespace tcpadvisor::truth {
namespace {

using nlohmann::json;
using scenario::Child;
using scenario::Ended;
using scenario::Millis;

constexpr Millis kFaultPatience{90'000}, kReportPatience{90'000}, kBetweenLooks{400};

/// A row that does not come to its end.
struct Stopped {
  State state;
  std::string why;
};

struct Fault {
  std::unique_ptr<Child> child;
  Story story;
  bool at_home = true;  ///< the child itself lives in the namespace
};

std::string netns_path(pid_t pid) {
  return "/proc/" + std::to_string(pid) + "/ns/net";
}

constexpr std::string_view kPort = "port:";

/// A scenario of the port driver, which makes its own namespace. Some turn at 0.4 of the time: the report ends before.
Fault start_port(const Part& part, const Tools& tools) {
  Fault out;
  out.child = std::make_unique<Child>(std::vector<std::string>{
      tools.port, "port", "scenario", std::string(part.fault.substr(kPort.size())), "--hold", "30s", "--json"});
  while (const auto line = out.child->read_line(kFaultPatience)) {
    const json told = json::parse(*line, nullptr, false);
    if (told.is_object() && told.value("kind", "") == "connections") {
      out.story = {.pid = told.value("pid", 0), .peer_pid = told.value("peer_pid", 0), .count = 1};
      out.at_home = false;
      return out;
    }
  }
  throw Stopped{State::invalid, std::string(part.fault) + " did not begin: " + out.child->wait(Millis{500}).err};
}

/// In a namespace of its own, or in that of the process `inside`.
Fault start(const Part& part, const Tools& tools, std::optional<pid_t> inside) {
  if (part.fault.starts_with(kPort)) {
    return start_port(part, tools);
  }
  std::vector<std::string> command{tools.fault, std::string(part.fault), "--hold", "5m"};
  command.insert(command.end(), part.arguments.begin(), part.arguments.end());
  os::UniqueFd netns;
  if (inside) {
    command.emplace_back("--in-test-netns");
    netns.reset(open(netns_path(*inside).c_str(), O_RDONLY | O_CLOEXEC));
  } else {
    command.emplace_back("--own-netns");
  }
  Fault out;
  out.child = std::make_unique<Child>(
      command, scenario::ChildOptions{.env = {}, .uid = {}, .netns_fd = inside ? netns.get() : -1});
  const auto line = out.child->read_line(kFaultPatience);
  const json told = line ? json::parse(*line, nullptr, false) : json();
  if (!told.is_object()) {
    throw Stopped{State::invalid, std::string(part.fault) + " said nothing: " + out.child->wait(Millis{500}).err};
  }
  if (!told.value("ready", false)) {
    const bool impossible = told.contains("skip");
    throw Stopped{impossible ? State::not_here : State::invalid, told.value(impossible ? "skip" : "error", "")};
  }
  out.story = {.pid = told.value("pid", 0),
               .peer_pid = told.value("peer_pid", 0),
               .port = told.value("port", std::uint16_t{0}),
               .count = told.value("count", 0.0),
               .has_far_side = told.contains("peer_netns")};
  return out;
}

/// All faults of the row, and a witness in each of their namespaces.
class Scene {
 public:
  Scene(const Row& row, const Tools& tools) {
    std::vector<pid_t> processes;
    for (const Part& part : row.parts) {
      faults_.push_back(start(part, tools, faults_.empty() ? std::nullopt : std::optional(home())));
      processes.insert(processes.end(), {faults_.back().story.pid, faults_.back().story.peer_pid});
    }
    here_.emplace(home(), processes);
    for (const Fault& fault : faults_) {
      far_.push_back(fault.story.has_far_side ? std::make_unique<Witness>(fault.story.peer_pid, processes) : nullptr);
    }
  }

  /// A process that lives in the row's namespace until it ends.
  pid_t home() const {
    const Fault& first = faults_.front();
    return first.at_home ? first.child->pid() : first.story.pid;
  }
  const Story& story(std::size_t part) const { return faults_[part].story; }

  void look() {
    here_->look();
    for (const auto& far : far_) {
      if (far) {
        far->look();
      }
    }
  }

  Testimony testimony(std::size_t part) const {
    return {.here = *here_, .far = far_[part].get(), .story = faults_[part].story};
  }

 private:
  std::vector<Fault> faults_;
  std::optional<Witness> here_;
  std::vector<std::unique_ptr<Witness>> far_;
};

pid_t process_of(Who who, const Story& story) {
  return who == Who::culprit ? story.pid : who == Who::peer ? story.peer_pid : 0;
}

Expectation expectation(const Row& row, const Scene& scene) {
  Expectation out{.wanted = {}, .beside = {}, .never = row.never};
  for (std::size_t i = 0; i < row.parts.size(); ++i) {
    const Part& part = row.parts[i];
    for (const Want& want : part.wanted) {
      out.wanted.push_back({.id = want.id, .pid = process_of(want.who, scene.story(i)), .least = want.least});
    }
    out.beside.insert(out.beside.end(), part.beside.begin(), part.beside.end());
  }
  return out;
}

/// The lab's policy with other thresholds, as a file that ends with this.
class PolicyFile {
 public:
  explicit PolicyFile(std::string_view thresholds) {
    if (thresholds.empty()) {
      return;
    }
    path_ = std::filesystem::temp_directory_path() / "truth-policy-XXXXXX";
    const os::UniqueFd file(mkstemp(path_.data()));
    std::ofstream(path_) << "windows = 2\nwindow = \"1s\"\nage = \"5s\"\nmin_count = 10\n" << thresholds;
  }
  PolicyFile(const PolicyFile&) = delete;
  PolicyFile& operator=(const PolicyFile&) = delete;
  ~PolicyFile() {
    if (!path_.empty()) {
      unlink(path_.c_str());
    }
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// The report about the row; looks at what happens meanwhile.
json ask(const Row& row, const Tools& tools, Scene& scene) {
  std::vector<std::string> command = tools.advisor;
  const PolicyFile policy(row.thresholds);
  if (const auto lab = std::ranges::find(command, "lab"); !row.thresholds.empty() && lab != command.end()) {
    *lab = policy.path();
  }
  const pid_t asked = row.asked == End::here ? scene.home() : scene.story(0).peer_pid;
  command.push_back("pid:" + std::to_string(asked));
  scene.look();
  Child advisor(command);
  std::string out, err;
  const auto until = std::chrono::steady_clock::now() + kReportPatience;
  for (;;) {
    Ended ended = advisor.wait(kBetweenLooks);
    out += ended.out;
    err += ended.err;
    scene.look();
    if (ended.exit_code > 0) {
      throw Stopped{State::invalid, "the report ended with " + std::to_string(ended.exit_code) + ": " + err};
    }
    if (ended.exit_code == 0) {
      break;
    }
    if (std::chrono::steady_clock::now() > until) {
      throw Stopped{State::invalid, "no report within 90 s"};
    }
  }
  json report = json::parse(out, nullptr, false);
  if (!report.is_object() || !report.contains("findings")) {
    throw Stopped{State::invalid, "not a report: " + out.substr(0, 200)};
  }
  return report;
}

}  // namespace

Result run_row(const Row& row, const Tools& tools) {
  const auto begun = std::chrono::steady_clock::now();
  Result out;
  try {
    Scene scene(row, tools);
    out.report = ask(row, tools, scene);
    for (std::size_t i = 0; i < row.parts.size(); ++i) {
      if (const std::string missing = row.parts[i].proof(scene.testimony(i)); !missing.empty()) {
        throw Stopped{State::invalid, std::string(row.parts[i].fault) + ": " + missing};
      }
    }
    out.said = findings_in(out.report);
    out.judged = judge(expectation(row, scene), out.said);
  } catch (const Stopped& stopped) {
    out.state = stopped.state;
    out.why = stopped.why;
  }
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  return out;
}

}  // namespace tcpadvisor::truth
