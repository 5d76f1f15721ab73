// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/inherited.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "advisor/rules/listener_scope.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

using Name = std::pair<Pid, std::string>;
constexpr int kGenerations = 3;  // a program, the shell that it starts, and what that starts

/// A forebear of the process that is another program; what it forked, and did not start, serves connections for it.
bool comes_from(const Connections& connections, const OwnerTotals& owner, const Name& name) {
  Pid parent = owner.parent;
  for (int i = 0; i < kGenerations && parent > 1; ++i) {
    if (parent == name.first) return name.second != owner.comm;
    const OwnerTotals* next = connections.owner(parent);
    parent = next == nullptr ? 0 : next->parent;
  }
  return false;
}

bool holds(const SocketRow& row, Pid pid) {
  return (row.owner && row.owner->pid == pid) ||
         std::ranges::any_of(row.others, [pid](const HoldingProcess& other) { return other.pid == pid; });
}

/// Who is named by at least half of the rows.
std::string most_of(const std::map<Name, std::size_t>& counts, std::size_t rows) {
  auto most = std::ranges::max_element(counts, {}, [](const auto& entry) { return entry.second; });
  if (most == counts.end() || 2 * most->second < rows) return "";
  return fmt::format("{}[{}]", most->first.second, most->first.first);
}

}  // namespace

Inherited inherited_by(const Window& window, const Holding& holding) {
  if (holding.owner == nullptr || holding.rows.empty() || holding.scope.sharing > 0) return {};
  const Connections& connections = window.connections();
  std::map<Name, std::size_t> users, listening;
  for (const SocketRow* row : holding.rows) {
    if (row->last_user) {
      Name user(row->last_user->pid, row->last_user->comm);
      if (!holds(*row, user.first) && comes_from(connections, *holding.owner, user)) ++users[user];
      continue;  // it is known who used it
    }
    const SocketRow* listener = listener_of(connections, row->netns, row->local);
    if (listener == nullptr || !listener->owner || holds(*listener, holding.owner->pid)) continue;
    Name server(listener->owner->pid, listener->owner->comm);
    if (!holds(*row, server.first) && comes_from(connections, *holding.owner, server)) ++listening[server];
  }
  if (std::string from = most_of(users, holding.rows.size()); !from.empty()) return {.from = from, .seen = true};
  return {.from = most_of(listening, holding.rows.size()), .seen = false};
}

void say_inherited(const Inherited& inherited, const std::string& who, Finding& finding) {
  Recommendation& cure = finding.recommendation;
  if (inherited.from.empty()) return;
  finding.confidence = std::min(finding.confidence, Confidence::medium);
  if (!inherited.seen) {
    cure.steps.push_back(
        fmt::format("if {0} never uses them, it inherited them from {1}, which started it and listens there: then open "
                    "sockets with SOCK_CLOEXEC (accept4) in {1}",
                    who, inherited.from));
    return;
  }
  finding.title = fmt::format("{} keeps {} open that it inherited: {} used and closed them", who,
                              counted(finding.scope.count, "socket"), inherited.from);
  finding.confidence_why += fmt::format("; {} was seen to use them, and no longer has them", inherited.from);
  cure.text = fmt::format(
      "Fix {}: open sockets close-on-exec (SOCK_CLOEXEC, accept4), so that the programs it starts do not inherit them.",
      inherited.from);
}

}  // namespace tcpadvisor
