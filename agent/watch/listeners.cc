// SPDX-License-Identifier: Apache-2.0
// List 3: listeners and their accept queues.
#include <fmt/format.h>

#include <map>
#include <utility>

#include "advisor/base/text.h"
#include "advisor/evidence/names.h"
#include "agent/watch/details.h"
#include "agent/watch/table.h"
#include "agent/watch/units.h"

namespace tcpadvisor::watch {
namespace {

constexpr std::array<Column, 9> kColumns = {{{"LISTENS ON"},
                                             {"OWNER", 18},
                                             {"QUEUE", 6, true},
                                             {"PEAK", 6, true},
                                             {"LIMIT", 6, true},
                                             {"DROPS", 7, true},
                                             {"CONNS", 7, true},
                                             {"GAVE UP", 7, true, 110},
                                             {"NETNS", 10, false, 110}}};

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

std::vector<Line> lines_of(const Listener& listener, const Picture& picture, const View& view) {
  const SocketRow& row = *listener.row;
  Attr attr = fill(listener) >= 1 ? Attr::critical : fill(listener) >= 0.5 ? Attr::warning : Attr::normal;
  std::array<Span, kColumns.size()> cells = {
      {{row.local.text()},
       {owner_text(row)},
       {count_or_dash(row.accept_queue), attr},
       {count_or_dash(row.accept_peak)},
       {count_or_dash(row.accept_limit)},
       {count_or_dash(row.drops), row.drops.value_or(0) > 0 ? Attr::warning : Attr::normal},
       {listener.port != nullptr ? with_commas(connections_of(listener)) : "-"},
       {listener.port != nullptr ? with_commas(listener.port->unaccepted_close_wait) : "-"},
       {netns_text(picture.now(), row.netns)}}};
  return {row_of(kColumns, cells, view.width, glyphs(view.utf8))};
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
  spec.words = [&](Row row) {
    return fmt::format("{} {} {}", row.row->local.text(), owner_text(*row.row),
                       netns_text(picture.now(), row.row->netns));
  };
  spec.lines = [&](Row row) { return lines_of(row, picture, view); };
  spec.details = [&](Row row) { return details_of(row, picture.window); };
  spec.heading = heading_of(kColumns, view.width, glyphs(view.utf8));
  spec.empty =
      picture.now().knows(FactId::snapshot) ? "nothing listens" : "listeners are not known: no source can read them";
  return make_table(std::move(spec), view);
}

}  // namespace tcpadvisor::watch
