// SPDX-License-Identifier: Apache-2.0
// What the agent can know, by what kind of way, and how a try of such a way ended. Programs compare these; the texts
// beside them are for people.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tcpadvisor {

/// From hooks, from the walk over sockets, and others.
enum class FactId : std::uint8_t {
  state_changes,
  close,
  calls,
  waiting,
  resets,
  refusals,
  pressure,
  accept_peak,
  connects,
  retransmits,
  drops,
  snapshot,
  accept_queue,
  buffer_locks,
  socket_memory,
  tcp_info,
  owners,
  counters,
  settings,
  memory,
  cgroups,
  namespaces,
  user_queues,
  conntrack,
  softnet,
  host_pressure,
};
inline constexpr std::array<std::string_view, 26> kFactNames = {
    "state-changes", "close",       "calls",       "waiting",  "resets",       "refusals",     "pressure",
    "accept-peak",   "connects",    "retransmits", "drops",    "snapshot",     "accept-queue", "buffer-locks",
    "socket-memory", "tcp-info",    "owners",      "counters", "settings",     "memory",       "cgroups",
    "namespaces",    "user-queues", "conntrack",   "softnet",  "host-pressure"};

enum class SourceKind : std::uint8_t {
  none,            ///< no source, or one that nobody asks about
  hook,            ///< a program of ours at a function or tracepoint of the kernel
  derived,         ///< read off what another fact delivers
  iter_tcp,        ///< our program over all TCP sockets of a namespace
  iter_task_file,  ///< our program over all descriptors of all processes
  sock_diag,
  proc_net_tcp,
  proc_fd,
  proc_file,  ///< any other file below /proc
};
inline constexpr std::array<std::string_view, 9> kSourceKindNames = {
    "none", "hook", "derived", "iter/tcp", "iter/task_file", "sock_diag", "/proc/net/tcp", "/proc/*/fd", "proc-file"};

enum class AttemptOutcome : std::uint8_t {
  failed,      ///< tried, and refused
  works,       ///< works, whether it is in use or not
  not_tried,   ///< an option of the user forbids it, or what it needs is missing
  not_wanted,  ///< would work, but an option of the user chose another way
  stopped,     ///< worked, and failed later; it is tried again now and then
};
inline constexpr std::array<std::string_view, 5> kAttemptOutcomeNames = {"failed", "works", "not-tried", "not-wanted",
                                                                         "stopped"};

constexpr std::string_view name_of(FactId fact) {
  return kFactNames[static_cast<std::size_t>(fact)];
}
/// Also what people are shown for a kind that has only one form.
constexpr std::string_view name_of(SourceKind kind) {
  return kSourceKindNames[static_cast<std::size_t>(kind)];
}

constexpr std::optional<FactId> fact_named(std::string_view name) {
  auto at = std::ranges::find(kFactNames, name);
  if (at == kFactNames.end()) return std::nullopt;
  return static_cast<FactId>(at - kFactNames.begin());
}

}  // namespace tcpadvisor
