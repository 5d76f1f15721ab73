// SPDX-License-Identifier: Apache-2.0
// List 4, other side: local ports in use towards each destination, the fullest first.
#include <fmt/format.h>

#include "advisor/base/text.h"
#include "advisor/evidence/names.h"
#include "advisor/knobs/port_space.h"
#include "agent/watch/details.h"
#include "agent/watch/table.h"
#include "agent/watch/units.h"

namespace tcpadvisor::watch {
namespace {

constexpr std::array<Column, 7> kPortColumns = {{{"DESTINATION"},
                                                 {"SOURCE", 15},
                                                 {"USED", 7, true},
                                                 {"OF", 7, true},
                                                 {"SHARE", 6, true},
                                                 {"TIME_WAIT", 9, true},
                                                 {"NETNS", 10, false, 110}}};

struct Use {
  const PortUse* ports;
  std::optional<PortSpace> space;  ///< nothing: the range was not read
  std::optional<double> share;     ///< that connect() cannot choose
};

Traits traits_of(const Use& use, const Picture& picture) {
  Traits traits;
  if (!chosen_by_bind(*use.ports)) {
    traits.add_port(use.ports->destination);
    traits.add_peer(use.ports->destination);
  }
  traits.netns = {netns_text(picture.now(), use.ports->netns)};
  traits.words =
      fmt::format("{} {} {}", destination_text(*use.ports), use.ports->source.ip_text(), traits.netns.front());
  return traits;
}

std::vector<Line> lines_of(const Use& use, const Picture& picture, const View& view) {
  double share = use.share.value_or(0);
  Attr attr = share >= 0.99 ? Attr::critical : share >= 0.8 ? Attr::warning : Attr::normal;
  std::array<Span, kPortColumns.size()> cells = {{{destination_text(*use.ports)},
                                                  {use.ports->source.ip_text()},
                                                  {with_commas(use.ports->used), attr},
                                                  {use.space ? with_commas(use.space->available()) : "-"},
                                                  {use.share ? fmt::format("{:.0f} %", share * 100) : "-", attr},
                                                  {with_commas(use.ports->timewait)},
                                                  {netns_text(picture.now(), use.ports->netns)}}};
  return {row_of(kPortColumns, cells, view.width, glyphs(view.utf8))};
}

std::vector<Line> details_of(const Use& use, const Picture& picture) {
  const PortUse& ports = *use.ports;
  std::vector<Line> lines = {detail("from", ports.source.ip_text()), detail("to", destination_text(ports)),
                             detail("namespace", netns_text(picture.now(), ports.netns)),
                             detail("ports in use", with_commas(ports.used)),
                             detail("in TIME_WAIT", with_commas(ports.timewait))};
  if (!use.space) return lines;
  lines.push_back(detail("range", fmt::format("{} to {}", use.space->low, use.space->high)));
  lines.push_back(detail("reserved", with_commas(use.space->reserved)));
  lines.push_back(detail("listening", with_commas(use.space->listening)));
  lines.push_back(detail("available", with_commas(use.space->available())));
  return lines;
}

}  // namespace

Table ports_table(const Picture& picture, const View& view) {
  using Row = const Use&;
  TableSpec<Use> spec;
  const Sample& now = picture.now();
  for (const PortUse& ports : now.port_use) {
    Use use{&ports, port_space(now, ports.netns), std::nullopt};
    if (use.space) use.share = share_of(now, ports, *use.space);
    spec.rows.push_back(use);
  }
  spec.orders = {{"share", [](Row a, Row b) { return a.share.value_or(0) > b.share.value_or(0); }},
                 {"used", [](Row a, Row b) { return a.ports->used > b.ports->used; }},
                 {"TIME_WAIT", [](Row a, Row b) { return a.ports->timewait > b.ports->timewait; }}};
  spec.key = [](Row row) {
    return fmt::format("p{}/{}/{}", row.ports->netns, row.ports->source.ip_text(), destination_text(*row.ports));
  };
  spec.traits = [&](Row row) { return traits_of(row, picture); };
  spec.fields = {Field::port, Field::peer, Field::netns};
  spec.lines = [&](Row row) { return lines_of(row, picture, view); };
  spec.details = [&](Row row) { return details_of(row, picture); };
  spec.heading = heading_of(kPortColumns, view.width, glyphs(view.utf8));
  spec.empty = now.knows(FactId::snapshot) ? "no connection to another port uses one of the local ports"
                                           : "ports are not known: no source can read sockets";
  return make_table(std::move(spec), view);
}

}  // namespace tcpadvisor::watch
