// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/links.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace tcpadvisor::observe {
namespace {

auto ends(const SocketRow* row) {
  return std::tie(row->local, row->remote);
}
auto mirrored(const SocketRow* row) {
  return std::tie(row->remote, row->local);
}

bool is_connection(const SocketRow& row) {
  return row.state != TcpState::listen && row.remote.port != 0;
}

/// Rows in the order of their addresses, so that a mirror image is found by binary search.
class Ends {
 public:
  explicit Ends(const Sample& sample) {
    for (const SocketRow& row : sample.sockets) {
      if (is_connection(row)) by_ends_.push_back(&row);
    }
    std::ranges::sort(by_ends_, [](const SocketRow* a, const SocketRow* b) { return ends(a) < ends(b); });
  }

  const SocketRow* other_end(const SocketRow* row) const {
    auto candidates = std::ranges::equal_range(by_ends_, mirrored(row), std::ranges::less{}, ends);
    auto here = std::ranges::find(candidates, row->netns, &SocketRow::netns);
    if (here != candidates.end()) return *here == row ? nullptr : *here;
    // Loopback never crosses namespaces, and two namespaces may use the same addresses: then nobody can tell.
    if (row->local.is_loopback() || candidates.size() != 1) return nullptr;
    auto twins = std::ranges::equal_range(by_ends_, ends(row), std::ranges::less{}, ends);
    return twins.size() == 1 ? candidates.front() : nullptr;
  }

  const std::vector<const SocketRow*>& rows() const { return by_ends_; }

 private:
  std::vector<const SocketRow*> by_ends_;
};

/// User-space queues by the connection that they belong to; what nobody takes is left over.
class Drivers {
 public:
  explicit Drivers(const Sample& sample) {
    for (const UserQueue& queue : sample.user_queues) by_connection_[connection(queue)] = &queue;
  }
  const UserQueue* take(const SocketRow* row) {
    auto node = row != nullptr ? by_connection_.extract(connection(*row)) : decltype(by_connection_)::node_type();
    return node ? node.mapped() : nullptr;
  }
  std::vector<const UserQueue*> left_over() const {
    std::vector<const UserQueue*> queues;
    for (const auto& [connection, queue] : by_connection_) queues.push_back(queue);
    return queues;
  }

 private:
  using Connection = std::tuple<NetnsId, Endpoint, Endpoint>;
  static Connection connection(const auto& end) { return {end.netns, end.local, end.remote}; }
  std::map<Connection, const UserQueue*> by_connection_;
};

std::uint64_t leaving(const End& from, const End& to) {
  return bytes_of(from.driver) + (from.row != nullptr ? from.row->send_q : 0) +
         (to.row != nullptr ? to.row->recv_q : 0);
}

/// The end that the line is about: more bytes leave it; if none do, the one that a process still holds.
bool comes_first(const End& a, const End& b) {
  if (leaving(a, b) != leaving(b, a)) return leaving(a, b) > leaving(b, a);
  bool a_held = a.row->holder == Holder::process, b_held = b.row->holder == Holder::process;
  if (a_held != b_held) return a_held;
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
  return {.near = row.get(), .far = nullptr, .near_driver = &queue, .far_driver = nullptr, .stand_in = row};
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

std::vector<Link> links_of(const Sample& sample) {
  Ends all(sample);
  Drivers drivers(sample);
  std::map<const SocketRow*, const UserQueue*> driver_of;
  for (const SocketRow* row : all.rows()) {
    if (const UserQueue* driver = drivers.take(row)) driver_of[row] = driver;
  }
  auto end_at = [&](const SocketRow* row) {
    auto driver = driver_of.find(row);
    return End{row, driver == driver_of.end() ? nullptr : driver->second};
  };
  std::vector<Link> links;
  for (const SocketRow* row : all.rows()) {
    const SocketRow* far = all.other_end(row);
    End here = end_at(row), there = end_at(far);
    if (far == nullptr || comes_first(here, there)) links.push_back({row, far, here.driver, there.driver});
  }
  for (const UserQueue* queue : drivers.left_over()) {
    if (!queue->ended || bytes_of(queue) > 0) links.push_back(link_without_row(*queue));
  }
  return links;
}

}  // namespace tcpadvisor::observe
