// SPDX-License-Identifier: Apache-2.0
#include "tests/scenario/program.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <system_error>

#include "tests/scenario/agent_report.h"

namespace tcpadvisor::scenario {

namespace fs = std::filesystem;

std::string why_not(std::initializer_list<const char*> programs) {
  if (std::string why = why_not_root(); !why.empty()) {
    return why;
  }
  if (in_guest()) {
    return "a guest has no packages";
  }
  for (const char* program : programs) {
    if (!in_path(program)) {
      return std::string(program) + " is not installed here";
    }
  }
  return "";
}

Folder::Folder() {
  std::string name = fs::temp_directory_path() / "scenario-program-XXXXXX";
  if (mkdtemp(name.data()) != nullptr) {
    path_ = name;
  }
}

Folder::~Folder() {
  std::error_code error;
  if (!path_.empty()) {
    fs::remove_all(path_, error);
  }
}

std::string Folder::write(const std::string& name, const std::string& text) const {
  std::ofstream(path_ + "/" + name) << text;
  return path_ + "/" + name;
}

ChildOptions in(const os::UniqueFd& netns) {
  return {.env = {}, .uid = {}, .netns_fd = netns.get()};
}

std::uint32_t number(const Child& child) {
  return static_cast<std::uint32_t>(child.pid());
}

bool join(const os::UniqueFd& here, const os::UniqueFd& there, pid_t process_there) {
  constexpr Millis kPatience{20'000};
  const auto ip = [&](const os::UniqueFd& netns, const std::string& arguments) {
    const Ended ended = run({"sh", "-c", "ip " + arguments}, kPatience, in(netns));
    EXPECT_EQ(ended.exit_code, 0) << arguments << ": " << ended.err;
    return ended.exit_code == 0;
  };
  return ip(here, "link add here type veth peer name there netns " + std::to_string(process_there)) &&
         ip(here, "address add 10.77.0.1/24 dev here") && ip(here, "link set here up") &&
         ip(there, "address add 10.77.0.2/24 dev there") && ip(there, "link set there up");
}

}  // namespace tcpadvisor::scenario
