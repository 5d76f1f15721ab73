// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/accept_queue.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "advisor/base/saturate.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

/// What is counted of a whole namespace.
struct NetnsOverflows {
  Series counted;
  std::optional<double> increase;
};

QueueHistory history_of(const Window& window, const SocketRow& listener, const NetnsOverflows& netns) {
  QueueHistory out;
  out.listener = &listener;
  std::vector<const PastRow*> rows = window.history(listener);
  Series drops;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] == nullptr) continue;
    const PastRow& row = *rows[i];
    if (row.drops) drops.add(window.seconds_at(i), static_cast<double>(*row.drops));
    if (!row.accept_queue) continue;
    out.waiting.add(window.seconds_at(i), static_cast<double>(*row.accept_queue));
    if (!row.accept_limit) continue;
    double limit = std::max(*row.accept_limit, 1u);  // listen(0) still holds one
    out.fill.add(window.seconds_at(i), static_cast<double>(*row.accept_queue) / limit);
  }
  out.drops_are_exact = drops.size() >= 2;
  if (!out.drops_are_exact) drops = netns.counted;
  if (drops.size() >= 2) {
    out.drops = drops.increase();
    out.worst_drops = drops.worst_step(window.interval_s());
  }
  out.overflows = netns.increase;
  std::optional<double> full_since;
  for (const Series::Point& point : out.fill.points()) {
    if (point.value < 1) {
      full_since.reset();
      continue;
    }
    if (!full_since) full_since = point.t_s;
    out.full_s = std::max(out.full_s, point.t_s - *full_since);
  }
  return out;
}

}  // namespace

std::string listener_problem(const Window& window, const std::vector<QueueHistory>& queues) {
  const Sample& now = window.latest();
  if (std::string problem = snapshot_problem(now); !problem.empty()) return problem;
  if (now.fact(FactId::accept_queue) != nullptr && !now.knows(FactId::accept_queue)) {
    return source_of(now, FactId::snapshot) + " does not show accept queues and their limits";
  }
  std::uint64_t listeners = 0;
  for (const NetnsSample& netns : now.netns) {
    if (netns.error.empty()) listeners = add_sat(listeners, netns.states[index_of(TcpState::listen)].count);
  }
  if (now.rows_suppressed > 0 && listeners > queues.size()) {
    return fmt::format("{} over the limit of rows", counted(listeners - queues.size(), "listener"));
  }
  auto unknown = static_cast<std::uint64_t>(
      std::ranges::count_if(queues, [](const QueueHistory& queue) { return !queue.known(); }));
  if (unknown == 0) return "";
  if (window.samples() < 2) return too_few_samples(window, 2);
  return fmt::format("length, limit or drops of the accept queue of {} not visible through {}",
                     counted(unknown, "listener"), source_of(now, FactId::snapshot));
}

std::vector<QueueHistory> all_queues(const Window& window) {
  std::vector<QueueHistory> out;
  std::map<NetnsId, NetnsOverflows> overflows;
  for (const SocketRow* row : window.connections().in_state(TcpState::listen)) {
    auto [netns, is_new] = overflows.try_emplace(row->netns);
    if (is_new) {
      constexpr std::string_view kCounter = "TcpExt.ListenOverflows";
      netns->second = {window.counter(row->netns, kCounter), window.increase(row->netns, kCounter)};
    }
    out.push_back(history_of(window, *row, netns->second));
  }
  return out;
}

}  // namespace tcpadvisor
