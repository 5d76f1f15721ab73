// SPDX-License-Identifier: Apache-2.0
// List 3: listeners and their accept queues. Many of one process in which nothing waits are one item.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/evidence/names.h"
#include "agent/observe/groups.h"
#include "agent/watch/details.h"
#include "agent/watch/table.h"
#include "agent/watch/units.h"

namespace tcpadvisor::watch {
namespace {

constexpr std::array<Column, 10> kListenerColumns = {{{"LISTENS ON"},
                                                      {"OWNER", 18, false, 0, Cut::name},
                                                      {"QUEUE", 6, true},
                                                      {"PEAK", 6, true},
                                                      {"LIMIT", 6, true},
                                                      {"DROPS", 7, true},
                                                      {"CONNS", 7, true},
                                                      {"GAVE UP", 7, true, 110},
                                                      {"NETNS", 10, false, 110},
                                                      {"GROUP", 24, false, 140}}};
const Fields kListenerFields = {Field::proc, Field::port, Field::group, Field::netns, Field::age};

struct Listener {
  const SocketRow* row;
  const PortTotals* port;  ///< connections that arrived there; null if not known
};

std::uint64_t connections_of(const Listener& listener) {
  std::uint64_t sum = 0;
  if (listener.port == nullptr) return 0;
  for (std::size_t state = 1; state < kStateCount; ++state) {
    if (state != index_of(TcpState::listen)) sum += listener.port->sockets[state];
  }
  return sum;
}

/// A full queue refuses new connections: `limit` and more are waiting (the kernel compares with >).
double fill(const Listener& listener) {
  double limit = listener.row->accept_limit.value_or(0);
  return limit > 0 ? listener.row->accept_queue.value_or(0) / limit : 0;
}

/// Equal for the listeners of one process on one address that nothing has to be said about.
std::string form_of(const Listener& listener) {
  const SocketRow& row = *listener.row;
  if (row.accept_queue.value_or(0) > 0 || row.drops.value_or(0) > 0) return "";
  return fmt::format("={} {} {}", owner_text(row), row.netns, row.local.ip_text());
}

std::vector<Line> lines_of(const Listener& listener, const Picture& picture, const View& view, std::string ends) {
  const SocketRow& row = *listener.row;
  auto group = observe::group_of(row, picture.window);
  Attr attr = fill(listener) >= 1 ? Attr::critical : fill(listener) >= 0.5 ? Attr::warning : Attr::normal;
  std::array<Span, kListenerColumns.size()> cells = {
      {{std::move(ends)},
       {owner_text(row)},
       {count_or_dash(row.accept_queue), attr},
       {count_or_dash(row.accept_peak)},
       {count_or_dash(row.accept_limit)},
       {count_or_dash(row.drops), row.drops.value_or(0) > 0 ? Attr::warning : Attr::normal},
       {listener.port != nullptr ? with_commas(connections_of(listener)) : "-"},
       {listener.port != nullptr ? with_commas(listener.port->unaccepted_close_wait) : "-"},
       {netns_text(picture.now(), row.netns)},
       {group ? group->name : "-"}}};
  return {row_of(kListenerColumns, cells, view.width, glyphs(view.utf8))};
}

/// "▸ 1,500 × 0.0.0.0:10000-11499", with the highest peak, the limit if all have the same, and all connections.
std::vector<Line> folded_lines(std::span<const Listener* const> equal, bool unfolded, const Picture& picture,
                               const View& view) {
  const Glyphs& g = glyphs(view.utf8);
  SocketRow row = *equal.front()->row;
  PortTotals all;
  std::uint16_t first = row.local.port, last = first;
  for (const Listener* one : equal) {
    first = std::min(first, one->row->local.port);
    last = std::max(last, one->row->local.port);
    row.accept_peak = std::max(row.accept_peak, one->row->accept_peak);
    if (one->row->accept_limit != row.accept_limit) row.accept_limit.reset();
    if (one->port == nullptr) continue;
    for (std::size_t state = 0; state < kStateCount; ++state)
      all.sockets[state] = add_sat(all.sockets[state], one->port->sockets[state]);
    all.unaccepted_close_wait = add_sat(all.unaccepted_close_wait, one->port->unaccepted_close_wait);
  }
  bool known = std::ranges::any_of(equal, [](const Listener* one) { return one->port != nullptr; });
  row.local.port = first;
  std::string address = row.local.is_unspecified() ? fmt::format("*:{}", first) : row.local.text();
  std::string ends = fmt::format("{} {} {} {}{}", unfolded ? g.unfolded : g.folded, with_commas(equal.size()), g.times,
                                 address, first == last ? "" : fmt::format("-{}", last));
  return lines_of({&row, known ? &all : nullptr}, picture, view, std::move(ends));
}

Traits traits_of(const SocketRow& row, const Picture& picture) {
  Traits traits;
  traits.processes = {owner_text(row)};
  for (const HoldingProcess& other : row.others)
    traits.processes.push_back(fmt::format("{}[{}]", other.comm, other.pid));
  traits.netns = {netns_text(picture.now(), row.netns)};
  traits.add_group(observe::group_of(row, picture.window));
  traits.add_port(row.local);
  traits.age_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(picture.window.age(row).value.count(), 0));
  traits.words = fmt::format("{} {} {}", row.local.text(), row.cgroup, traits.netns.front());
  for (const auto* list : {&traits.processes, &traits.groups}) {
    for (const std::string& text : *list) traits.words += " " + text;
  }
  return traits;
}

std::vector<Line> details_of(const Listener& listener, const Window& window) {
  std::vector<Line> lines = socket_details(*listener.row, window);
  if (listener.port == nullptr) return lines;
  lines.emplace_back();
  lines.emplace_back("connections that arrived at this port", Attr::label);
  for (std::size_t state = 1; state < kStateCount; ++state) {
    std::uint32_t count = listener.port->sockets[state];
    if (state != index_of(TcpState::listen) && count > 0)
      lines.push_back(detail(kStateNames[state], with_commas(count)));
  }
  lines.push_back(detail("left before accept", with_commas(listener.port->unaccepted_close_wait)));
  lines.push_back(detail("Recv-Q", queue_text(listener.port->recv_q)));
  lines.push_back(detail("Send-Q", queue_text(listener.port->send_q)));
  return lines;
}

}  // namespace

Table listeners_table(const Picture& picture, const View& view) {
  using Row = const Listener&;
  TableSpec<Listener> spec;
  std::map<std::pair<NetnsId, std::uint16_t>, const PortTotals*> ports;
  for (const PortTotals& port : picture.now().ports) ports.try_emplace({port.netns, port.port}, &port);
  for (const SocketRow* row : picture.window.connections().in_state(TcpState::listen)) {
    auto port = ports.find({row->netns, row->local.port});
    spec.rows.push_back({row, port == ports.end() ? nullptr : port->second});
  }
  auto place = [](Row row) { return std::tie(row.row->local.port, row.row->local); };
  auto queue = [](Row row) { return std::pair(fill(row), row.row->accept_queue.value_or(0)); };
  spec.orders = {
      {"queue", [=](Row a, Row b) { return queue(a) != queue(b) ? queue(a) > queue(b) : place(a) < place(b); }},
      {"port", [=](Row a, Row b) { return place(a) < place(b); }},
      {"drops", [](Row a, Row b) { return a.row->drops.value_or(0) > b.row->drops.value_or(0); }},
      {"connections", [](Row a, Row b) { return connections_of(a) > connections_of(b); }}};
  spec.key = [](Row row) { return key_of(*row.row); };
  spec.traits = [&](Row row) { return traits_of(*row.row, picture); };
  spec.fields = kListenerFields;
  spec.lines = [&](Row row) { return lines_of(row, picture, view, row.row->local.text()); };
  spec.form = [](Row row) { return form_of(row); };
  spec.enough = 8;
  spec.member_lines = [&](Row row) {
    return lines_of(row, picture, view, fmt::format("{} {}", glyphs(view.utf8).dot, row.row->local.text()));
  };
  spec.folded_lines = [&](std::span<const Listener* const> equal, bool unfolded) {
    return folded_lines(equal, unfolded, picture, view);
  };
  spec.details = [&](Row row) { return details_of(row, picture.window); };
  spec.heading = heading_of(kListenerColumns, view.width, glyphs(view.utf8));
  spec.empty =
      picture.now().knows(FactId::snapshot) ? "nothing listens" : "listeners are not known: no source can read them";
  return make_table(std::move(spec), view);
}

}  // namespace tcpadvisor::watch
