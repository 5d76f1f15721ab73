// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/holder.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

#include "advisor/evidence/names.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

constexpr std::size_t kMostNames = 3;

void add_others(Scope& scope, const SocketRow& row) {
  for (const HoldingProcess& other : row.others) {
    if (scope.others.size() >= kMaxOthers) return;
    if (std::ranges::find(scope.others, other.pid, &HoldingProcess::pid) == scope.others.end())
      scope.others.push_back(other);
  }
}

std::string last_users_of(std::span<const SocketRow* const> rows, Holder holder) {
  std::set<std::string> names;
  for (const SocketRow* row : rows) {
    if (row->holder != holder || !row->last_user || row->last_user->comm.empty()) continue;
    names.insert(last_user_text(*row->last_user));
  }
  std::string out;
  std::size_t named = 0;
  for (const std::string& name : names) {
    if (named++ == kMostNames) return out + " and others";
    out += (out.empty() ? "" : ", ") + name;
  }
  return out;
}

/// What most of the sockets without a process that we see are; a few may have been looked at between two walks.
Holder holder_of(std::span<const SocketRow* const> rows) {
  for (Holder holder : {Holder::no_descriptor, Holder::outside}) {
    auto such = static_cast<std::size_t>(std::ranges::count(rows, holder, &SocketRow::holder));
    if (2 * such > rows.size()) return holder;
  }
  return Holder::unknown;
}

}  // namespace

void name_holder(Scope& scope, std::span<const SocketRow* const> rows) {
  if (rows.empty()) return;
  const SocketRow& first = *rows.front();
  if (scope.kind != ScopeKind::listener) scope.kind = first.owner ? ScopeKind::process : ScopeKind::netns;
  for (const SocketRow* row : rows) add_others(scope, *row);
  if (first.owner) {
    scope.pid = first.owner->pid;
    scope.comm = first.owner->comm;
    return;
  }
  scope.holder = holder_of(rows);
  scope.last_users = last_users_of(rows, scope.holder);
}

std::string last_users_text(std::span<const SocketRow* const> rows) {
  std::vector<std::string> names;
  for (const SocketRow* row : rows) {
    if (row->last_user && !row->last_user->comm.empty()) names.push_back(last_user_text(*row->last_user));
  }
  const bool one = !names.empty() && std::ranges::count(names, names.front()) == std::ssize(names);
  return one ? names.front() : most_frequent(names);
}

std::string process_text(const Scope& scope) {
  if (scope.pid) {
    return scope.sharing > 0 ? fmt::format("{}[{}]+{}", scope.comm, *scope.pid, scope.sharing)
                             : fmt::format("{}[{}]", scope.comm, *scope.pid);
  }
  bool known = !scope.last_users.empty(), several = scope.last_users.contains("], ");
  switch (scope.holder) {
    case Holder::no_descriptor:
      return known ? fmt::format("{}, which {} no descriptor left,", scope.last_users, several ? "have" : "has")
                   : "a program that has passed its descriptor on";
    case Holder::outside:
      return known ? scope.last_users + ", outside this container," : "a process outside this container";
    default:
      return "a process that we cannot see";
  }
}

std::string why_no_pid(const Scope& scope) {
  if (scope.pid) return "";
  switch (scope.holder) {
    case Holder::no_descriptor:
      return "; no process has a descriptor of them";
    case Holder::outside:
      return "; no process of this container holds them";
    default:
      return "; which process holds them is not visible to us";
  }
}

std::string holders_outside(const Sample& sample) {
  auto count = static_cast<std::uint64_t>(std::ranges::count(sample.sockets, Holder::outside, &SocketRow::holder));
  if (count == 0) return "";
  return counted(count, "socket") + " held outside this container, by processes that cannot be seen from inside";
}

void fit_to_holder(Finding& finding) {
  const Scope& scope = finding.scope;
  if (scope.pid) return;
  Recommendation& cure = finding.recommendation;
  if (scope.holder == Holder::outside) {
    cure.steps.insert(cure.steps.begin(),
                      "see who holds them from outside this container: run tcpadvisor, or ss -tnp, on its host");
  }
  if (scope.holder != Holder::no_descriptor) return;
  finding.meaning +=
      " No process has a descriptor: they are on their way in a message of a unix socket (SCM_RIGHTS) that nobody "
      "has received, or registered with io_uring.";
  if (cure.kind == RecommendationKind::application) {
    cure.text =
        "Fix who should have them now: receive the message and serve or close what comes with it, or close the unix "
        "socket in which it waits; with io_uring, unregister the files or end the ring.";
  }
  cure.steps.insert(cure.steps.begin(),
                    fmt::format("find where they wait: ss -xp shows a unix socket with Recv-Q{}",
                                scope.last_users.empty() ? "" : "; who used them last: " + scope.last_users));
}

}  // namespace tcpadvisor
