// SPDX-License-Identifier: Apache-2.0
#include "advisor/verdict/relays.h"

#include <algorithm>
#include <set>
#include <vector>

namespace tcpadvisor {
namespace {

constexpr std::size_t kFewest = 3;  // connections on each side: one or two may stand still by chance

/// Data that the peer's window keeps back.
bool is_stuck(const SocketRow& row) {
  return row.send_q > 0 && (row.timer == Timer::persist || row.snd_wnd == 0u);
}

/// The sides of one holder, by what their connections wait for.
struct Sides {
  std::vector<const SocketRow*> ended, unread;     ///< the peer has closed; the peer has sent what we do not read
  std::vector<const SocketRow*> shut_down, stuck;  ///< we have shut down; our data is not read

  Sides(const Connections& connections, const Group& holder) {
    for (const SocketRow* row : connections.held(holder, TcpState::close_wait)) {
      (is_stuck(*row) ? stuck : ended).push_back(row);
    }
    for (const SocketRow* row : connections.held(holder, TcpState::fin_wait_2)) shut_down.push_back(row);
    for (const SocketRow* row : connections.held(holder, TcpState::established)) {
      if (is_stuck(*row)) {
        stuck.push_back(row);
      } else if (row->recv_q > 0) {
        unread.push_back(row);
      }
    }
  }
};

bool about_as_many(std::size_t a, std::size_t b) {
  return std::min(a, b) >= kFewest && 2 * std::min(a, b) >= std::max(a, b);
}

}  // namespace

Relays::Stand Relays::look(const Group& holder) const {
  const Sides sides(connections_, holder);
  const bool by_end = sides.shut_down.size() >= sides.stuck.size();
  const std::vector<const SocketRow*>& waiting = by_end ? sides.shut_down : sides.stuck;
  Stand out;
  out.waits = waiting.size() >= kFewest;
  out.relay = about_as_many(sides.ended.size(), waiting.size()) ||
              (!by_end && about_as_many(sides.unread.size(), waiting.size()));
  std::map<Group, std::size_t> far_holders;
  std::size_t here = 0;
  for (const SocketRow* row : waiting) {
    const SocketRow* far = connections_.other_end(*row);
    bool owes = far != nullptr && (by_end ? far->state == TcpState::close_wait : far->recv_q > 0);
    std::optional<Group> group = owes ? group_of(*far) : std::nullopt;
    if (!group || *group == holder) continue;
    ++here;
    ++far_holders[*group];
  }
  if (!out.waits || 2 * here < waiting.size()) return out;
  out.next = std::ranges::max_element(far_holders, {}, [](const auto& entry) { return entry.second; })->first;
  return out;
}

Relays::Stand& Relays::stand(const Group& holder) {
  auto found = known_.find(holder);
  if (found == known_.end()) found = known_.emplace(holder, look(holder)).first;
  return found->second;
}

std::optional<Group> Relays::owes(const Group& holder) {
  std::vector<Group> path;
  std::set<Group> seen;
  Group at = holder;
  std::optional<Group> end;
  bool through = false;
  for (;;) {
    Stand& here = stand(at);
    if (here.resolved) {
      end = here.end ? here.end : std::optional(at);
      through = here.through_relay;
      break;
    }
    // The end is who waits for nobody here, or who is no relay: it owes what it got, whatever else it waits for. In a
    // circle all wait for each other.
    bool goes_on = here.next && (here.relay || path.empty());
    if (!goes_on || !seen.insert(at).second) {
      end = at;
      break;
    }
    path.push_back(at);
    at = *here.next;
  }
  for (auto step = path.rbegin(); step != path.rend(); ++step) {
    Stand& here = stand(*step);
    through = through || here.relay;
    // Who is no relay is an end when others come to it, and only sees through when it asks for itself.
    if (here.relay) {
      here.resolved = true;
      here.end = end;
      here.through_relay = through;
    }
  }
  if (!through || !end || *end == holder) return std::nullopt;
  return end;
}

bool Relays::waits_elsewhere(const Group& holder) {
  const Stand& here = stand(holder);
  return here.relay && !here.next;
}

}  // namespace tcpadvisor
