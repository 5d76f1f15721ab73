// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/processes.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <limits>

#include "advisor/base/fields.h"
#include "advisor/base/text.h"
#include "agent/os/netns.h"
#include "agent/sources/kin.h"

namespace tcpadvisor::sources {
Result<std::uint64_t> parse_fd_limit(std::string_view limits) {
  static constexpr std::string_view kName = "Max open files";
  for (std::size_t line_number = 1; auto line = next_line(limits); ++line_number) {
    if (!line->starts_with(kName)) continue;
    line->remove_prefix(kName.size());
    std::string_view soft = next_word(*line);
    if (soft == "unlimited") return std::numeric_limits<std::uint64_t>::max();
    if (auto value = number<std::uint64_t>(soft)) return *value;
    return fail(ErrorCode::failed,
                fmt::format("limits:{}: '{}' is not a number of files", line_number, printable(soft)));
  }
  return fail(ErrorCode::failed, "limits: no line 'Max open files'");
}

ProcessCgroups parse_process_cgroups(std::string_view text) {
  ProcessCgroups parsed;
  while (auto line = next_line(text)) {  // hierarchy:controllers:path
    std::size_t first = line->find(':');
    std::size_t second = first == std::string_view::npos ? first : line->find(':', first + 1);
    if (second == std::string_view::npos) continue;
    std::string_view controllers = line->substr(first + 1, second - first - 1);
    std::string path = printable(line->substr(second + 1));
    if (line->substr(0, first) == "0" && controllers.empty()) parsed.unified = path;
    if (controllers == "name=systemd") parsed.systemd = path;
    std::string listed = fmt::format(",{},", controllers);
    if (listed.contains(",memory,")) parsed.memory = path;
    if (listed.contains(",freezer,")) parsed.freezer = path;
  }
  return parsed;
}

std::optional<std::uint32_t> count_fds(const os::ProcRoot& root, Pid pid, std::size_t& allowance) {
  std::string fd_dir = fmt::format("/proc/{}/fd", pid);
  struct stat info{};
  // Since 6.2 the size of the directory is the number of descriptors; listing a directory of 20,000 entries is dear.
  if (root.is_real() && stat(root.path(fd_dir).c_str(), &info) == 0 && info.st_size > 0) {
    return static_cast<std::uint32_t>(info.st_size);
  }
  auto counted = root.count(fd_dir, allowance);
  if (!counted) return std::nullopt;
  bool all = *counted < allowance;
  allowance -= *counted;
  return all ? std::optional(static_cast<std::uint32_t>(*counted)) : std::nullopt;
}

ProcessFacts read_process(const os::ProcRoot& root, Pid pid, std::size_t& allowance) {
  ProcessFacts facts;
  std::string dir = fmt::format("/proc/{}", pid);
  if (auto text = root.read(dir + "/comm")) facts.comm = printable(trimmed(*text));
  if (auto text = root.read(dir + "/cgroup")) facts.cgroups = parse_process_cgroups(*text);
  if (auto link = root.read_link(dir + "/ns/net")) facts.netns = os::parse_netns_link(*link).value_or(0);
  if (auto text = root.read(dir + "/status")) facts.pid_inside = parse_pid_inside(*text);
  if (auto text = root.read(dir + "/limits")) {
    if (auto limit = parse_fd_limit(*text)) facts.fd_limit = *limit;
  }
  facts.fds = count_fds(root, pid, allowance);
  return facts;
}

}  // namespace tcpadvisor::sources
