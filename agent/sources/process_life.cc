// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/process_life.h"

#include <fmt/format.h>
#include <unistd.h>

#include "advisor/base/fields.h"
#include "advisor/base/saturate.h"

namespace tcpadvisor::sources {
namespace {

ProcessState state_from(std::string_view letter) {
  if (letter.size() != 1) return ProcessState::unknown;
  switch (letter.front()) {
    case 'R':
    case 'S':
    case 'I':
    case 'K':
    case 'P':
    case 'W':
      return ProcessState::running;
    case 'T':
    case 't':  // by a debugger
      return ProcessState::stopped;
    case 'D':
      return ProcessState::disk_wait;
    case 'Z':
    case 'X':
    case 'x':
      return ProcessState::ended;
    default:
      return ProcessState::unknown;
  }
}

}  // namespace

ProcessLife parse_process_stat(std::string_view stat, std::uint64_t page_size) {
  constexpr std::size_t kThreads = 20, kRss = 24;  // fields count from 1; the third, the state, follows the name
  std::size_t name_end = stat.rfind(')');
  if (name_end == std::string_view::npos) return {};
  std::string_view rest = trimmed(stat.substr(name_end + 1));
  ProcessLife life{.state = state_from(next_word(rest)), .rss_bytes = {}};
  for (std::size_t field = 4; field <= kRss; ++field) {
    std::string_view word = next_word(rest);
    if (field == kThreads && life.state == ProcessState::ended && number<std::int64_t>(word).value_or(0) > 1) return {};
    if (field != kRss) continue;
    if (auto pages = number<std::uint64_t>(word)) life.rss_bytes = mul_sat(*pages, page_size);
  }
  if (life.state == ProcessState::ended) life.rss_bytes.reset();  // its memory has gone already
  return life;
}

ProcessLife read_process_life(const os::ProcRoot& root, Pid pid) {
  static const auto kPageSize = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  // The file of the main thread has the same fields, and does not add up the times of all threads for it.
  auto text = root.read(fmt::format("/proc/{0}/task/{0}/stat", pid));
  return text ? parse_process_stat(*text, kPageSize) : ProcessLife{};
}

Freezer::Freezer(const os::ProcRoot& root) : root_(root) {
  if (auto text = root_.read("/proc/mounts")) mounts_ = parse_cgroup_mounts(*text);
}

bool Freezer::frozen(const std::string& file) {
  auto [at, is_new] = known_.try_emplace(file, false);
  if (!is_new || file.contains("/../")) return at->second;  // above our cgroup namespace: not in this tree
  auto text = root_.read(file);
  if (text) at->second = trimmed(*text) == "FROZEN" || parse_flat_keyed(*text, "frozen") == 1;
  return at->second;
}

ProcessState Freezer::state_of(ProcessState state, const ProcessCgroups& cgroups) {
  bool v1 = state == ProcessState::disk_wait && mounts_.v1_freezer && cgroups.freezer.size() > 1;
  bool asleep = state == ProcessState::running || state == ProcessState::disk_wait;
  bool v2 = asleep && mounts_.unified && cgroups.unified.size() > 1;
  if (v2 && frozen(fmt::format("{}{}/cgroup.events", *mounts_.unified, cgroups.unified))) return ProcessState::frozen;
  if (v1 && frozen(fmt::format("{}{}/freezer.state", *mounts_.v1_freezer, cgroups.freezer)))
    return ProcessState::frozen;
  return state;
}

}  // namespace tcpadvisor::sources
