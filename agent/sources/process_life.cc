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

/// The file of the cgroup itself, or of the one above it that was frozen and took it along.
std::string Freezer::frozen_by(const std::string& mount, const std::string& cgroup, bool v1) {
  constexpr int kDeepest = 32;
  auto [at, is_new] = known_.try_emplace(mount + cgroup);
  if (!is_new || cgroup.contains("/../")) return at->second;  // above our cgroup namespace: not in this tree
  auto text = root_.read(fmt::format("{}{}/{}", mount, cgroup, v1 ? "freezer.state" : "cgroup.events"));
  bool frozen = text && (v1 ? trimmed(*text) == "FROZEN" : parse_flat_keyed(*text, "frozen") == 1);
  if (!frozen) return at->second;
  const char* name = v1 ? "freezer.state" : "cgroup.freeze";
  std::string path = cgroup;
  for (int depth = 0; depth < kDeepest && path.size() > 1; ++depth, path.resize(path.rfind('/'))) {
    auto itself = root_.read(fmt::format("{}{}/{}", mount, path, v1 ? "freezer.self_freezing" : name));
    if (itself && trimmed(*itself) == "1") return at->second = fmt::format("{}{}/{}", mount, path, name);
  }
  return at->second = fmt::format("{}{}/{}", mount, cgroup, name);
}

void Freezer::judge(OwnerTotals& owner, const ProcessCgroups& cgroups) {
  const ProcessState state = owner.process_state;
  bool v1 = state == ProcessState::disk_wait && mounts_.v1_freezer && cgroups.freezer.size() > 1;
  bool asleep = state == ProcessState::running || state == ProcessState::disk_wait;
  bool v2 = asleep && mounts_.unified && cgroups.unified.size() > 1;
  owner.frozen_by = v2 ? frozen_by(*mounts_.unified, cgroups.unified, false) : "";
  if (owner.frozen_by.empty() && v1) owner.frozen_by = frozen_by(*mounts_.v1_freezer, cgroups.freezer, true);
  if (!owner.frozen_by.empty()) owner.process_state = ProcessState::frozen;
}

}  // namespace tcpadvisor::sources
