// SPDX-License-Identifier: Apache-2.0
// List 1: connections, the longest queues first.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "advisor/base/text.h"
#include "advisor/evidence/names.h"
#include "agent/watch/chains.h"
#include "agent/watch/details.h"
#include "agent/watch/table.h"
#include "agent/watch/units.h"

namespace tcpadvisor::watch {
namespace {

constexpr std::array<Column, 7> kColumns = {{{"STATE", 11},
                                             {"AGE", 8, true},
                                             {"OWNER", 18},
                                             {"LOCAL > REMOTE"},
                                             {"RTT", 8, true, 110},
                                             {"RETRANS", 7, true, 110},
                                             {"NETNS", 10, false, 110}}};

std::string rtt_text(const SocketRow& row) {
  return row.srtt_us ? fmt::format("{:.1f} ms", static_cast<double>(*row.srtt_us) / 1000) : "-";
}

struct Connection {
  Link link;
  Age age;  ///< of the near end
};

/// A connection that only a program speaks for has no state: its socket is gone, or has no row.
std::string state_of(const Link& link) {
  if (link.stand_in == nullptr) return std::string(state_text(link.near->state));
  return link.near_driver->ended ? "(ended)" : "?";
}

Attr attr_of(const Connection& connection, const Picture& picture) {
  TcpState state = connection.link.near->state;
  bool closing = state == TcpState::close_wait || state == TcpState::fin_wait_2;
  return closing && connection.age.value >= picture.policy.age ? Attr::warning : Attr::normal;
}

std::vector<Line> lines_of(const Connection& connection, const Picture& picture, const View& view) {
  const Glyphs& g = glyphs(view.utf8);
  const SocketRow& row = *connection.link.near;
  std::array<Span, kColumns.size()> cells = {{{state_of(connection.link), attr_of(connection, picture)},
                                              {age_text(connection.age)},
                                              {owner_text(row)},
                                              {fmt::format("{} {} {}", row.local.text(), g.arrow, row.remote.text())},
                                              {rtt_text(row)},
                                              {count_or_dash(row.total_retrans)},
                                              {netns_text(picture.now(), row.netns)}}};
  std::vector<Line> lines = {row_of(kColumns, cells, view.width, g)};
  for (Line& line : chain_lines(connection.link, g, view.width)) lines.push_back(std::move(line));
  return lines;
}

std::string words_of(const Link& link, const Sample& sample) {
  auto one = [&](const SocketRow& row) {
    return fmt::format("{} {} {} {} {} {}", state_text(row.state), owner_text(row), row.local.text(), row.remote.text(),
                       netns_text(sample, row.netns), row.cgroup);
  };
  std::string words = link.far != nullptr ? one(*link.near) + " " + one(*link.far) : one(*link.near);
  for (const UserQueue* driver : {link.near_driver, link.far_driver}) {
    if (driver != nullptr) words += fmt::format(" driver {} {}", driver->name, driver->comm);
  }
  return words;
}

std::vector<Line> details_of(const Link& link, const Picture& picture, const View& view) {
  std::vector<Line> lines = chain_lines(link, glyphs(view.utf8), view.width);
  auto add = [&](std::vector<Line> more) { std::ranges::move(more, std::back_inserter(lines)); };
  auto add_driver = [&](const UserQueue* driver) {
    if (driver == nullptr) return;
    lines.emplace_back();
    lines.emplace_back("the program's own queue, as it says", Attr::label);
    add(driver_details(*driver));
  };
  if (!lines.empty()) lines.emplace_back();
  if (link.stand_in != nullptr) {
    add(connection_details(*link.near_driver, picture.now()));
  } else {
    add(socket_details(*link.near, picture.window));
  }
  add_driver(link.near_driver);
  if (link.far != nullptr) {
    lines.emplace_back();
    lines.emplace_back("the other end, on this host too", Attr::label);
    add(socket_details(*link.far, picture.window));
    add_driver(link.far_driver);
  }
  return lines;
}

}  // namespace

Table connections_table(const Picture& picture, const View& view) {
  using Row = const Connection&;
  TableSpec<Connection> spec;
  for (const Link& link : links_of(picture.window.connections()))
    spec.rows.push_back({link, picture.window.age(*link.near)});
  auto queue_and_age = [](Row row) { return std::pair(row.link.queued(), row.age.value); };
  auto rtt = [](Row row) { return row.link.near->srtt_us.value_or(0); };
  spec.orders = {{"queue", [=](Row a, Row b) { return queue_and_age(a) > queue_and_age(b); }},
                 {"age", [](Row a, Row b) { return a.age.value > b.age.value; }},
                 {"state", [](Row a, Row b) { return state_of(a.link) < state_of(b.link); }},
                 {"owner", [](Row a, Row b) { return owner_text(*a.link.near) < owner_text(*b.link.near); }},
                 {"rtt", [=](Row a, Row b) { return rtt(a) > rtt(b); }}};
  spec.key = [](Row row) { return key_of(*row.link.near); };
  spec.words = [&](Row row) { return words_of(row.link, picture.now()); };
  spec.lines = [&](Row row) { return lines_of(row, picture, view); };
  spec.details = [&](Row row) { return details_of(row.link, picture, view); };
  spec.heading = heading_of(kColumns, view.width, glyphs(view.utf8));
  spec.empty =
      picture.now().knows(FactId::snapshot) ? "no connections" : "connections are not known: no source can read them";
  return make_table(std::move(spec), view);
}

}  // namespace tcpadvisor::watch
