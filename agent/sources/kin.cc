// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/kin.h"

#include <fmt/format.h>

#include "advisor/base/fields.h"
#include "advisor/base/managers.h"

namespace tcpadvisor::sources {
namespace {

/// proc(5): after the name come the state (3), the parent (4), and the start as field 22.
constexpr int kParent = 4, kStart = 22;

}  // namespace

std::optional<os::Kin> parse_kin(std::string_view stat) {
  std::size_t end_of_name = stat.rfind(')');
  if (end_of_name == std::string_view::npos) return std::nullopt;
  stat.remove_prefix(end_of_name + 1);
  os::Kin kin;
  for (int field = 3; field <= kStart; ++field) {
    std::string_view word = next_word(stat);
    if (word.empty()) return std::nullopt;
    if (field == kParent) kin.parent = number<Pid>(word).value_or(0);
    if (field == kStart) kin.started = number<std::uint64_t>(word).value_or(0);
  }
  return kin;
}

Pid parse_pid_inside(std::string_view status) {
  while (auto line = next_line(status)) {
    if (!line->starts_with("NSpid:")) continue;
    line->remove_prefix(6);
    Pid last = 0;
    std::size_t numbers = 0;
    for (std::string_view word = next_word(*line); !word.empty(); word = next_word(*line), ++numbers)
      last = number<Pid>(word).value_or(0);
    return numbers > 1 ? last : 0;
  }
  return 0;
}

os::Kin read_kin(const os::ProcRoot& root, Pid pid) {
  os::Kin kin;
  std::string dir = fmt::format("/proc/{}", pid);
  auto stat = root.read(dir + "/stat");
  if (!stat) return kin;
  kin = parse_kin(*stat).value_or(os::Kin{});
  kin.program = root.inode(dir + "/exe").value_or(0);
  std::size_t open = stat->find('('), close = stat->rfind(')');
  std::string_view name = close > open && close != std::string::npos
                              ? std::string_view(*stat).substr(open + 1, close - open - 1)
                              : std::string_view();
  auto status = root.read(dir + "/status");
  Pid inside = status ? parse_pid_inside(*status) : 0;
  kin.manager = is_manager(inside != 0 ? inside : pid, name);
  return kin;
}

}  // namespace tcpadvisor::sources
