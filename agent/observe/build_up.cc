// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/build_up.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "advisor/evidence/names.h"

namespace tcpadvisor::observe {
namespace {

constexpr std::array kStates = {TcpState::close_wait, TcpState::fin_wait_2, TcpState::fin_wait_1, TcpState::last_ack,
                                TcpState::closing,    TcpState::syn_sent,   TcpState::syn_recv,   TcpState::close};

std::uint64_t without_process(const PastTick& tick, TcpState state) {
  std::uint64_t total = tick.states[index_of(state)], held = tick.held[index_of(state)];
  return total > held ? total - held : 0;
}

/// Of sockets that no process holds which we see, most of those with a row decide.
std::string who_without_process(bool owners_known, TcpState state, const Window& window) {
  if (!owners_known) return "(owner not known)";
  std::size_t outside = 0, no_descriptor = 0, all = 0;
  for (const SocketRow* row : window.connections().in_state(state)) {
    all += row->holder != Holder::process ? 1 : 0;
    outside += row->holder == Holder::outside ? 1 : 0;
    no_descriptor += row->holder == Holder::no_descriptor ? 1 : 0;
  }
  SocketRow such;
  such.holder = 2 * outside > all ? Holder::outside : Holder::no_descriptor;
  if (2 * std::max(outside, no_descriptor) > all) return owner_text(such);
  return state == TcpState::close_wait ? "(not accepted yet)" : "(no process: kernel)";
}

void add_ages(BuildUp& item, const Observation& seen) {
  for (const SocketRow* row : rows_of(item, seen.window.connections())) {
    Age age = seen.window.age(*row);
    if (!item.oldest || age.value > item.oldest->value) item.oldest = age;
    if (age.value >= seen.policy.age) ++item.old;
  }
  // The totals are complete, the rows may not be.
  if (item.owner != nullptr && item.state == TcpState::close_wait) item.old = item.owner->old_close_wait;
  if (item.owner != nullptr && item.state == TcpState::fin_wait_2) item.old = item.owner->old_fin_wait_2;
}

}  // namespace

std::vector<const SocketRow*> rows_of(const BuildUp& item, const Connections& connections) {
  if (item.owner != nullptr) {
    Rows held = connections.held({.pid = item.owner->pid, .netns = 0}, item.state);
    return {held.begin(), held.end()};
  }
  std::vector<const SocketRow*> rows;
  std::ranges::copy_if(connections.in_state(item.state), std::back_inserter(rows),
                       [](const SocketRow* row) { return row->holder != Holder::process; });
  return rows;
}

std::vector<BuildUp> build_ups_of(const Observation& seen) {
  const Sample& sample = seen.now();
  bool owners_known = sample.knows(FactId::owners);
  std::vector<BuildUp> items;
  for (TcpState state : kStates) {
    for (const OwnerTotals& owner : sample.owners) {
      std::uint64_t count = owner.sockets[index_of(state)];
      if (count == 0) continue;
      BuildUp item{
          .owner = &owner, .owner_text = fmt::format("{}[{}]", owner.comm, owner.pid), .state = state, .count = count};
      Series counts = seen.window.owner_series(
          owner, [&](const PastOwner& then) { return std::optional<double>(then.sockets[index_of(state)]); });
      if (counts.size() >= 2) item.growth_per_minute = counts.per_minute();
      items.push_back(std::move(item));
    }
    std::uint64_t rest = without_process(seen.window.last(), state);
    if (rest == 0) continue;
    BuildUp item{.owner_text = who_without_process(owners_known, state, seen.window), .state = state, .count = rest};
    Series counts = seen.window.series(
        [&](const PastTick& then) { return std::optional<double>(static_cast<double>(without_process(then, state))); });
    if (counts.size() >= 2) item.growth_per_minute = counts.per_minute();
    items.push_back(std::move(item));
  }
  for (BuildUp& item : items) add_ages(item, seen);
  return items;
}

}  // namespace tcpadvisor::observe
