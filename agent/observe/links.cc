// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/links.h"

#include <algorithm>
#include <span>
#include <tuple>

namespace tcpadvisor::observe {
namespace {

/// How many connections have an end at one address and port. Those of a service share its end.
class EndCounts {
 public:
  explicit EndCounts(std::span<const SocketRow* const> rows) {
    keys_.reserve(2 * rows.size());
    for (const SocketRow* row : rows) {
      keys_.push_back({row->netns, &row->local});
      keys_.push_back({row->netns, &row->remote});
    }
    std::ranges::sort(keys_, before);
  }
  std::size_t sharing(NetnsId netns, const Endpoint& end) const {
    return std::ranges::equal_range(keys_, Key{netns, &end}, before).size();
  }

 private:
  struct Key {
    NetnsId netns;
    const Endpoint* end;
  };
  static bool before(const Key& a, const Key& b) { return std::tie(a.netns, *a.end) < std::tie(b.netns, *b.end); }
  std::vector<Key> keys_;
};

/// Our end is the service: somebody listens there and not at the other end; else the end that more connections share,
/// or the lower port.
bool serves(const SocketRow& row, const SocketRow* far, const Connections& connections, const EndCounts& counts) {
  bool here = !connections.listeners(row.netns, row.local.port).empty();
  bool there = far != nullptr && !connections.listeners(far->netns, far->local.port).empty();
  if (here != there) return here;
  std::size_t share_local = counts.sharing(row.netns, row.local), share_remote = counts.sharing(row.netns, row.remote);
  return share_local != share_remote ? share_local > share_remote : row.local.port < row.remote.port;
}

std::uint64_t leaving(const End& from, const End& to) {
  return bytes_of(from.driver) + (from.row != nullptr ? from.row->send_q : 0) +
         (to.row != nullptr ? to.row->recv_q : 0);
}

/// The end that the line is about: more bytes leave it; if none do, the one that a process still holds; if both, the
/// one that connected: connections of one service then look alike.
bool comes_first(const End& a, const End& b, bool a_serves, bool b_serves) {
  if (leaving(a, b) != leaving(b, a)) return leaving(a, b) > leaving(b, a);
  bool a_held = a.row->holder == Holder::process, b_held = b.row->holder == Holder::process;
  if (a_held != b_held) return a_held;
  if (a_serves != b_serves) return b_serves;
  return a.row < b.row;  // any order will do as long as both ends agree on it
}

/// A row that says only which connection it is and who holds it.
Link link_without_row(const UserQueue& queue) {
  auto row = std::make_shared<SocketRow>();
  row->cookie = queue.cookie;
  row->netns = queue.netns;
  row->local = queue.local;
  row->remote = queue.remote;
  row->state = TcpState::close;
  row->holder = Holder::process;
  row->owner = Owner{queue.pid, queue.comm, -1, 1};
  row->state_age_ms = queue.age_ms;
  return {.near = row.get(),
          .far = nullptr,
          .near_driver = &queue,
          .far_driver = nullptr,
          .serves = false,
          .stand_in = row};
}

}  // namespace

std::uint64_t bytes_of(const UserQueue* driver) {
  if (driver == nullptr) return 0;
  return driver->ended ? driver->dropped.value_or(0) + driver->queued : driver->queued;
}

std::uint64_t Link::queued() const {
  End here{near, near_driver}, there{far, far_driver};
  return leaving(here, there) + leaving(there, here);
}

std::vector<Link> links_of(const Connections& connections) {
  auto end_at = [&](const SocketRow* row) { return End{row, row == nullptr ? nullptr : connections.queue_of(*row)}; };
  EndCounts counts(connections.by_ends());
  std::vector<Link> links;
  for (const SocketRow* row : connections.by_ends()) {
    const SocketRow* far = connections.other_end(*row);
    End here = end_at(row), there = end_at(far);
    bool service = serves(*row, far, connections, counts);
    if (far != nullptr && !comes_first(here, there, service, serves(*far, row, connections, counts))) continue;
    links.push_back({row, far, here.driver, there.driver, service});
  }
  for (const UserQueue* queue : connections.queues()) {
    bool lost_or_alive = !queue->ended || bytes_of(queue) > 0;
    if (connections.row_of(*queue) == nullptr && lost_or_alive) links.push_back(link_without_row(*queue));
  }
  return links;
}

}  // namespace tcpadvisor::observe
