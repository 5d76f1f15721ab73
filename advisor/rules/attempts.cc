// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/attempts.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "advisor/base/saturate.h"
#include "advisor/rules/listener_scope.h"

namespace tcpadvisor {
namespace {

std::size_t index_of_end(ConnectEnd end) {
  return std::min<std::size_t>(static_cast<std::size_t>(end), 5);
}

using ByName = std::map<std::tuple<NetnsId, std::string, Endpoint>, Attempts>;

void add_pid(Attempts& attempts, Pid pid) {
  auto at = std::ranges::lower_bound(attempts.pids, pid);
  if (pid != 0 && (at == attempts.pids.end() || *at != pid)) attempts.pids.insert(at, pid);
}

/// Processes of one name that try to connect just now.
struct Trying {
  std::string comm;
  std::vector<Pid> pids;
  bool alone = true;  ///< no other name
};
using TryingByPlace = std::map<std::pair<NetnsId, Endpoint>, Trying>;

void add_trying(TryingByPlace& all, const SocketRow& row) {
  if (!row.owner) return;
  auto [it, fresh] = all.try_emplace({row.netns, row.remote}, Trying{.comm = row.owner->comm, .pids = {}});
  it->second.alone = it->second.alone && it->second.comm == row.owner->comm;
  it->second.pids.push_back(row.owner->pid);
}

/// Attempts that began before the hooks did belong to nobody. If one program alone is at it again, they are its own.
void name_who_tries_again(ByName& all, const TryingByPlace& trying) {
  std::vector<Attempts> named;
  std::erase_if(all, [&](const auto& entry) {
    const Attempts& nobodys = entry.second;
    auto again = trying.find({nobodys.netns, nobodys.destination});
    if (!nobodys.pids.empty() || !nobodys.comm.empty() || again == trying.end() || !again->second.alone) return false;
    const Trying& who = again->second;
    if (all.contains({nobodys.netns, who.comm, nobodys.destination})) return false;  // others have failed as well
    Attempts& theirs = named.emplace_back(nobodys);
    theirs.comm = who.comm;
    for (Pid pid : who.pids) add_pid(theirs, pid);
    return true;
  });
  for (Attempts& attempts : named) all[{attempts.netns, attempts.comm, attempts.destination}] = std::move(attempts);
}

/// The same, where one program alone was seen to fail.
void give_to_the_only_one(ByName& all) {
  std::map<std::pair<NetnsId, Endpoint>, std::vector<Attempts*>> same;
  for (auto& [key, attempts] : all) {
    if (!attempts.pids.empty()) same[{attempts.netns, attempts.destination}].push_back(&attempts);
  }
  std::erase_if(all, [&](const auto& entry) {
    const Attempts& nobodys = entry.second;
    if (!nobodys.pids.empty()) return false;
    auto found = same.find({nobodys.netns, nobodys.destination});
    if (found == same.end() || found->second.size() != 1) return false;
    Attempts& owner = *found->second.front();
    for (std::size_t i = 0; i < owner.failed.size(); ++i) {
      owner.failed[i] = add_sat(owner.failed[i], nobodys.failed[i]);
      owner.waited_ms[i] = std::max(owner.waited_ms[i], nobodys.waited_ms[i]);
    }
    owner.waiting = add_sat(owner.waiting, nobodys.waiting);
    owner.oldest_ms = std::max(owner.oldest_ms, nobodys.oldest_ms);
    return true;
  });
}

}  // namespace

std::uint64_t Attempts::failures() const {
  std::uint64_t sum = 0;
  for (std::uint64_t count : failed) sum = add_sat(sum, count);
  return sum;
}

ConnectEnd Attempts::main_end() const {
  if (failures() == 0) return ConnectEnd::timed_out;
  return static_cast<ConnectEnd>(std::ranges::max_element(failed) - failed.begin());
}

bool Attempts::listener_is_full() const {
  if (listener == nullptr || !listener->accept_queue || !listener->accept_limit) return false;
  return *listener->accept_limit > 0 && *listener->accept_queue >= *listener->accept_limit;
}

std::string Attempts::who() const {
  if (pids.empty()) return comm.empty() ? "a process that we cannot see" : comm + " (which process is not known)";
  return pids.size() == 1 ? fmt::format("{}[{}]", comm, pids.front())
                          : fmt::format("{} ({} processes)", comm, pids.size());
}

const SocketRow* listener_at(const Connections& connections, NetnsId netns, const Endpoint& destination) {
  if (const SocketRow* here = listener_of(connections, netns, destination)) return here;
  if (destination.is_loopback()) return nullptr;
  const SocketRow* found = nullptr;
  for (const SocketRow* row : connections.in_state(TcpState::listen)) {
    if (row->local != destination) continue;
    if (found != nullptr && found->netns != row->netns) return nullptr;  // nobody can tell which
    found = row;
  }
  return found;
}

std::vector<Attempts> attempts_of(const Window& window, std::uint64_t waits_ms, std::uint64_t cancelled_ms) {
  const Sample& now = window.latest();
  ByName all;
  auto entry = [&](NetnsId netns, Pid pid, const std::string& comm, const Endpoint& destination) -> Attempts& {
    Attempts& attempts = all[{netns, comm, destination}];
    attempts.netns = netns;
    attempts.comm = comm;
    attempts.destination = destination;
    add_pid(attempts, pid);
    return attempts;
  };
  for (const FailedConnects& failed : now.failed_connects) {
    if (failed.end == ConnectEnd::given_up && failed.waited_ms < cancelled_ms) continue;
    Attempts& attempts = entry(failed.netns, failed.pid, failed.comm, failed.destination);
    std::size_t end = index_of_end(failed.end);
    attempts.failed[end] = add_sat(attempts.failed[end], failed.count);
    attempts.waited_ms[end] = std::max(attempts.waited_ms[end], failed.waited_ms);
  }
  TryingByPlace trying;
  for (const SocketRow* row : window.connections().in_state(TcpState::syn_sent)) {
    add_trying(trying, *row);
    auto age_ms = static_cast<std::uint64_t>(window.age(*row).value.count());
    if (age_ms < waits_ms) continue;
    Attempts& attempts =
        entry(row->netns, row->owner ? row->owner->pid : 0, row->owner ? row->owner->comm : "", row->remote);
    ++attempts.waiting;
    attempts.oldest_ms = std::max(attempts.oldest_ms, age_ms);
  }
  give_to_the_only_one(all);
  name_who_tries_again(all, trying);
  std::vector<Attempts> out;
  out.reserve(all.size());
  for (auto& [key, attempts] : all) {
    attempts.listener = listener_at(window.connections(), attempts.netns, attempts.destination);
    out.push_back(std::move(attempts));
  }
  return out;
}

}  // namespace tcpadvisor
