// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/include_table.h"

#include <algorithm>
#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace tcpadvisor::contract {
namespace {

using Rooms = std::set<std::string, std::less<>>;

/// Room -> the rooms beside itself that it may include. A room that is not listed here (below advisor/ or agent/) is an
/// error: whoever adds one decides here who its neighbours are.
const std::map<std::string, Rooms, std::less<>>& table() {
  static const std::map<std::string, Rooms, std::less<>> rows = [] {
    const Rooms advisor{"advisor/base",    "advisor/evidence", "advisor/knobs",   "advisor/rules",
                        "advisor/explain", "advisor/whatif",   "advisor/verdict", "advisor/report"};
    const auto with = [](Rooms rooms, std::initializer_list<std::string> more) {
      rooms.insert(more.begin(), more.end());
      return rooms;
    };
    const Rooms ask = with(advisor, {"agent/os"});
    const Rooms observe = with(ask, {"agent/sources", "agent/kernel", "agent/collect"});
    const Rooms show = with(observe, {"agent/observe"});
    return std::map<std::string, Rooms, std::less<>>{
        {"advisor/base", {}},
        {"advisor/evidence", {"advisor/base"}},
        {"advisor/knobs", {"advisor/base", "advisor/evidence"}},
        {"advisor/rules", {"advisor/base", "advisor/evidence", "advisor/knobs"}},
        {"advisor/explain", {"advisor/base", "advisor/evidence", "advisor/knobs", "advisor/rules"}},
        {"advisor/whatif", {"advisor/base", "advisor/evidence", "advisor/knobs", "advisor/rules", "advisor/explain"}},
        {"advisor/verdict", {"advisor/base", "advisor/evidence", "advisor/knobs", "advisor/rules"}},
        {"advisor/report", {"advisor/base", "advisor/evidence", "advisor/knobs", "advisor/rules", "advisor/verdict"}},
        {"agent/os", {"advisor/base"}},
        {"agent/sources", ask},
        {"agent/kernel", with(ask, {"bpf"})},
        {"agent/collect", with(ask, {"agent/sources", "agent/kernel"})},
        {"agent/observe", observe},
        {"agent/store", show},
        {"agent/apply", with(ask, {"agent/sources"})},
        {"agent/export", show},
        {"agent/serve", with(show, {"agent/export"})},
        {"agent/watch", with(show, {"agent/export"})},
        {"agent/port", {"advisor/base", "advisor/evidence", "agent/os"}},
        {"agent/port/script", {"advisor/base", "agent/os", "agent/port"}},
        {"agent/port/load", {"advisor/base", "agent/os", "agent/port"}},
        {"agent/port/scenario", with(ask, {"agent/port", "agent/sources"})},
        {"agent/cli", with(show, {"agent/store", "agent/apply", "agent/export", "agent/watch", "agent/serve",
                                  "agent/port", "agent/port/scenario", "agent/port/script", "agent/port/load"})},
        {"bpf", {}},
    };
  }();
  return rows;
}

/// A library that only some rooms may see: how its headers begin, and those rooms. Tests may use any library.
struct Library {
  std::string_view header;
  Rooms rooms;
};

const std::vector<Library>& libraries() {
  static const std::vector<Library> all{
      {"bpf/", {"agent/kernel", "bpf"}},
      {"CLI/", {"agent/cli"}},
      {"curses.h", {"agent/watch"}},
      {"ncurses", {"agent/watch"}},
      {"libmnl/", {"agent/sources"}},
      {"linux/sock_diag.h", {"agent/sources"}},
      {"linux/inet_diag.h", {"agent/sources"}},
      {"toml++/", {"advisor/base"}},
      {"SQLiteCpp/", {"agent/store"}},
      {"sqlite3.h", {"agent/store"}},
      {"zlib.h", {"agent/store"}},
      {"event2/http", {"agent/serve"}},
      {"event2/bufferevent_ssl", {"agent/serve"}},
      {"openssl/", {"agent/serve"}},
      {"crypt.h", {"agent/serve"}},
      {"yaml.h", {"agent/serve"}},
  };
  return all;
}

/// What reaches for the machine has no place in advisor/. <arpa/inet.h> stays: writing an address as text is
/// arithmetic.
bool touches_the_machine(std::string_view header) {
  static const Rooms headers{"fstream", "filesystem", "iostream", "thread", "mutex",    "condition_variable",
                             "future",  "unistd.h",   "fcntl.h",  "poll.h", "signal.h", "csignal",
                             "sched.h", "dirent.h",   "ctime",    "time.h", "cstdio",   "stdio.h",
                             "random",  "net/if.h",   "netdb.h",  "atomic"};
  return headers.contains(header) || header.starts_with("sys/") || header.starts_with("linux/");
}

std::string judge(const std::string& room, std::string_view header, bool quoted) {
  const bool test = room.starts_with("tests");
  if (quoted) {
    const std::string target = room_of(header);
    if (header.find('/') == std::string_view::npos) return "write the path from the repository's root";
    if (target == room) return "";
    if (test) {
      const bool kernel_test = room.starts_with("tests/kernel") || room == "tests/unit/kernel";
      return target == "bpf" && !kernel_test ? "bpf/ is seen by agent/kernel and its tests only" : "";
    }
    if (target.starts_with("tests")) return "only tests may include tests";
    const auto row = table().find(room);
    if (row == table().end()) return "the room " + room + " has no row in tests/contract/include_table.cc";
    if (!row->second.contains(target)) return room + " may not include " + target;
    if (target == "bpf" && header != "bpf/abi.h" && header != "bpf/matters.h")
      return "agent/kernel shares only bpf/abi.h and bpf/matters.h with the kernel side";
    return "";
  }
  if (room.starts_with("advisor/") && touches_the_machine(header))
    return "advisor/ is pure: it never touches the machine";
  if (test) return "";
  for (const Library& library : libraries()) {
    if (header.starts_with(library.header) && !library.rooms.contains(room)) return room + " may not see this library";
  }
  return "";
}

}  // namespace

std::string room_of(std::string_view path) {
  const auto slash = path.rfind('/');
  if (slash == std::string_view::npos) return "";
  const std::string folder(path.substr(0, slash));
  return folder.starts_with("bpf/") ? "bpf" : folder;
}

std::vector<std::string> forbidden_includes(std::string_view path, std::string_view text) {
  static const std::regex include(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
  std::vector<std::string> found;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::smatch match;
    if (!std::regex_search(line, match, include)) continue;
    const std::string header = match[2];
    const std::string why = judge(room_of(path), header, match[1] == "\"");
    if (!why.empty()) found.push_back(std::string(path) + ":" + std::to_string(number) + ": " + header + ": " + why);
  }
  return found;
}

}  // namespace tcpadvisor::contract
