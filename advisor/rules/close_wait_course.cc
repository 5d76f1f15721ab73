// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/close_wait_course.h"

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/rules/listener_scope.h"

namespace tcpadvisor {
namespace {

constexpr double kSweptShare = 0.3;      // of the count, in one step
constexpr std::size_t kFewestLooks = 3;  // at a count that is to be called steady
constexpr double kLongEnough = 1.5;      // of the age at which they count as left open: so long they are watched
constexpr double kStands = 1.25;         // times as many as at first, at most
constexpr double kInUse = 0.9;           // of a pool is idle at least, while we look

/// The part of its last `look_s`.
Series latest(Series whole, double look_s) {
  const double from_s = whole.empty() ? 0 : whole.points().back().t_s - look_s;
  auto first = std::ranges::find_if(whole.points(), [&](const Series::Point& point) { return point.t_s >= from_s; });
  if (first == whole.points().begin()) return whole;
  return whole.tail(static_cast<std::size_t>(whole.points().end() - first));
}

/// Connections to one local port were accepted there; those that a process opens have a port each.
bool was_accepted(const Connections& connections, const SocketRow& row,
                  const std::map<std::pair<NetnsId, std::uint16_t>, std::size_t>& rows_of_port) {
  if (listener_of(connections, row.netns, row.local) != nullptr) return true;
  auto found = rows_of_port.find({row.netns, row.local.port});
  return found != rows_of_port.end() && found->second > 1;
}

bool peer_waits(const Connections& connections, const SocketRow& row) {
  const SocketRow* far = connections.other_end(row);
  return far != nullptr && far->state == TcpState::fin_wait_2 && group_of(*far).has_value();
}

/// Whether one of these counts became another one from one look to the next that listed the process.
bool changes(const std::vector<const PastOwner*>& course, std::span<const TcpState> states) {
  const PastOwner* before = nullptr;
  for (const PastOwner* now : course) {
    if (now == nullptr) continue;
    if (before != nullptr && std::ranges::any_of(states, [&](TcpState state) {
          return now->sockets[index_of(state)] != before->sockets[index_of(state)];
        }))
      return true;
    before = now;
  }
  return false;
}

/// Anything that the process does beside holding these sockets.
bool works_on(const Window& window, const Holding& holding) {
  if (holding.owner != nullptr) {
    static constexpr std::array kWork = {TcpState::established, TcpState::syn_sent, TcpState::listen,
                                         TcpState::fin_wait_2};
    if (changes(window.history(*holding.owner), kWork)) return true;
  }
  if (!holding.scope.pid) return false;
  const auto span_ms = to_u64(window.span_s() * 1000);
  auto within = [&](const auto& ms_ago) { return ms_ago && *ms_ago < span_ms; };
  Rows others = window.connections().held({.pid = holding.scope.pid, .netns = 0}, TcpState::established);
  return std::ranges::any_of(
      others, [&](const SocketRow* row) { return within(row->last_data_sent_ms) || within(row->last_data_recv_ms); });
}

}  // namespace

std::optional<Sweeps> sweeps_of(const Window& window, const OwnerTotals& owner, double look_s,
                                std::uint64_t threshold) {
  Series counts = latest(
      window.owner_series(
          owner,
          [](const PastOwner& then) { return std::optional<double>(then.sockets[index_of(TcpState::close_wait)]); }),
      look_s);
  if (counts.max() < static_cast<double>(threshold)) return std::nullopt;
  Series old = latest(
      window.owner_series(owner, [](const PastOwner& then) { return std::optional<double>(then.old_close_wait); }),
      look_s);
  Sweeps out{
      .count = 0, .peak = counts.max(), .low = counts.min(), .left_per_minute = 0, .most_old = to_u64(old.max())};
  double came = 0;
  const double bulk = std::max(kSweptShare * counts.max(), static_cast<double>(threshold) / 2);
  for (std::size_t i = 1; i < counts.size(); ++i) {
    double step = counts.points()[i].value - counts.points()[i - 1].value;
    if (step > 0) came += step;
    if (-step >= bulk) ++out.count;
  }
  // Without growth it was a clean-up, not a sweep through a leak.
  if (out.count == 0 || counts.rises() < 2 || out.most_old < threshold) return std::nullopt;
  out.left_per_minute = counts.span_s() > 0 ? came / counts.span_s() * 60 : 0;
  return out;
}

std::optional<Steady> steady_of(const Window& window, const Holding& holding) {
  const Series& counts = holding.counts;
  if (counts.size() < kFewestLooks || counts.max() > counts.first() || counts.min() < kInUse * counts.first())
    return std::nullopt;
  Steady out{.count = counts.first(), .suspects = 0, .works_on = works_on(window, holding)};
  out.turns_over = std::ranges::any_of(holding.rows, [&](const SocketRow* row) {
    const PastRow* then = window.first().find(*row);
    return then == nullptr || then->state != row->state;
  });
  const Connections& connections = window.connections();
  std::map<std::pair<NetnsId, std::uint16_t>, std::size_t> rows_of_port;
  for (const SocketRow* row : holding.rows) ++rows_of_port[{row->netns, row->local.port}];
  for (const SocketRow* row : holding.rows) {
    bool suspect = row->recv_q > 0 || row->send_q > 0 || was_accepted(connections, *row, rows_of_port) ||
                   peer_waits(connections, *row);
    out.suspects += suspect ? 1 : 0;
  }
  // A program between others passes ends on, and then waits on its other side.
  Group holder{.pid = holding.scope.pid, .netns = holding.scope.pid ? 0 : holding.scope.netns};
  if (2 * connections.held(holder, TcpState::fin_wait_2).size() >= holding.rows.size()) out.suspects = holding.count;
  // Nothing is known of those without a row.
  out.suspects = add_sat(out.suspects, sub_sat(holding.count, holding.rows.size()));
  return out;
}

bool closes_late(const Window& window, const Policy& policy, const Holding& holding) {
  const Series& counts = holding.counts;
  // Rows and totals are counted one after the other.
  const bool all_seen = static_cast<double>(holding.rows.size()) >= kInUse * static_cast<double>(holding.count);
  if (counts.size() < kFewestLooks || holding.rows.empty() || !all_seen) return false;
  if (window.span_s() < kLongEnough * static_cast<double>(policy.age.count()) / 1000) return false;
  if (counts.span_s() + window.interval_s() < window.span_s() || counts.last() > kStands * counts.first()) return false;
  return std::ranges::none_of(holding.rows, [&](const SocketRow* row) {
    const PastRow* then = window.first().find(*row);
    return then != nullptr && then->state == row->state;
  });
}

}  // namespace tcpadvisor
