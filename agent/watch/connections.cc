// SPDX-License-Identifier: Apache-2.0
// List 1: connections, the longest queues first. Those that look alike are one item.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/evidence/names.h"
#include "agent/observe/groups.h"
#include "agent/watch/chains.h"
#include "agent/watch/details.h"
#include "agent/watch/equal_links.h"
#include "agent/watch/header.h"
#include "agent/watch/table.h"
#include "agent/watch/units.h"

namespace tcpadvisor::watch {
namespace {

constexpr std::array<Column, 10> kConnectionColumns = {{{"STATE", 11},
                                                        {"AGE", 8, true},
                                                        {"OWNER", 18, false, 0, Cut::name},
                                                        {"LOCAL > REMOTE"},
                                                        {"SENT/s", 8, true, 110},
                                                        {"RECV/s", 8, true, 110},
                                                        {"RTT", 8, true, 110},
                                                        {"NETNS", 10, false, 110},
                                                        {"RETRANS", 7, true, 130},
                                                        {"GROUP", 24, false, 150}}};
const Fields kConnectionFields = {Field::proc,  Field::port,  Field::state, Field::peer,
                                  Field::group, Field::netns, Field::q,     Field::age};

std::string rtt_text(const SocketRow& row) {
  if (!row.srtt_us) return "-";
  double ms = static_cast<double>(*row.srtt_us) / 1000;
  return ms < 1'000 ? fmt::format("{:.1f} ms", ms) : fmt::format("{:.1f} s", ms / 1'000);
}

struct Connection {
  Link link;
  Age age;  ///< of the near end
};

/// Bytes per second that the peer has acknowledged and that it has sent, since the tick before.
struct Rates {
  std::optional<double> sent, received;

  void add(const SocketRow& row, const Picture& picture) {
    const PastRow* then = picture.before() != nullptr ? picture.before()->find(row) : nullptr;
    if (then == nullptr) return;
    add(sent, row.bytes_acked, then->bytes_acked, picture);
    add(received, row.bytes_received, then->bytes_received, picture);
  }

 private:
  static void add(std::optional<double>& sum, std::optional<std::uint64_t> now, Maybe<std::uint64_t> then,
                  const Picture& picture) {
    if (!now || !then || *now < *then) return;
    auto rate = per_second(*picture.before(), picture.window.last(), *then, *now);
    if (rate) sum = sum.value_or(0) + *rate;
  }
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

Line row_line(const Connection& connection, std::string ends, const Rates& rates, const Picture& picture,
              const View& view) {
  const SocketRow& row = *connection.link.near;
  auto group = observe::group_of(row, picture.window);
  std::array<Span, kConnectionColumns.size()> cells = {{{state_of(connection.link), attr_of(connection, picture)},
                                                        {age_text(connection.age)},
                                                        {owner_text(row)},
                                                        {std::move(ends)},
                                                        {rate_text(rates.sent)},
                                                        {rate_text(rates.received)},
                                                        {rtt_text(row)},
                                                        {netns_text(picture.now(), row.netns)},
                                                        {count_or_dash(row.total_retrans)},
                                                        {group ? group->name : "-"}}};
  return row_of(kConnectionColumns, cells, view.width, glyphs(view.utf8));
}

/// `mark` stands before the addresses.
std::vector<Line> lines_of(const Connection& connection, const Picture& picture, const View& view,
                           std::string_view mark = "") {
  const Glyphs& g = glyphs(view.utf8);
  const SocketRow& row = *connection.link.near;
  Rates rates;
  rates.add(row, picture);
  std::string ends = fmt::format("{}{} {} {}", mark, row.local.text(), g.arrow, row.remote.text());
  std::vector<Line> lines = {row_line(connection, std::move(ends), rates, picture, view)};
  for (Line& line : chain_lines(connection.link, g, view.width)) lines.push_back(std::move(line));
  return lines;
}

/// One line for all of them: how many, how old the oldest is, and their queues added up.
std::vector<Line> folded_lines(std::span<const Connection* const> equal, bool unfolded, const Picture& picture,
                               const View& view) {
  const Glyphs& g = glyphs(view.utf8);
  std::vector<const Link*> links;
  Age oldest = equal.front()->age;
  Rates rates;
  for (const Connection* one : equal) {
    links.push_back(&one->link);
    if (one->age.value > oldest.value) oldest = one->age;
    rates.add(*one->link.near, picture);
  }
  LinkSum sum(links);
  std::string ends = fmt::format("{} {} {} {}", unfolded ? g.unfolded : g.folded, with_commas(equal.size()), g.times,
                                 sum.ends_text(g));
  std::vector<Line> lines = {row_line({sum.link(), oldest}, std::move(ends), rates, picture, view)};
  std::string_view of_all = sum.link().queued() > 0 ? "in all " : "";
  for (Line& line : chain_lines(sum.link(), g, view.width, of_all)) lines.push_back(std::move(line));
  return lines;
}

Traits traits_of(const Connection& connection, const Picture& picture) {
  Traits traits;
  auto add = [](std::vector<std::string>& to, std::string& words, std::string text) {
    words += text + " ";
    to.push_back(std::move(text));
  };
  const Link& link = connection.link;
  for (const SocketRow* row : {link.near, link.far}) {
    if (row == nullptr) continue;
    add(traits.states, traits.words, std::string(state_text(row->state)));
    add(traits.processes, traits.words, owner_text(*row));
    for (const HoldingProcess& other : row->others)
      add(traits.processes, traits.words, fmt::format("{}[{}]", other.comm, other.pid));
    add(traits.netns, traits.words, netns_text(picture.now(), row->netns));
    traits.add_group(observe::group_of(*row, picture.window));
    traits.add_port(row->local);
    traits.add_port(row->remote);
    traits.add_peer(row->remote);
    traits.words += fmt::format("{} {} {} ", row->local.text(), row->remote.text(), row->cgroup);
  }
  for (const UserQueue* driver : {link.near_driver, link.far_driver}) {
    if (driver == nullptr) continue;
    traits.words += fmt::format("driver {} ", driver->name);
    add(traits.processes, traits.words, fmt::format("{}[{}]", driver->comm, driver->pid));
  }
  for (const std::string& group : traits.groups) traits.words += group + " ";
  traits.queued = link.queued();
  traits.age_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(connection.age.value.count(), 0));
  return traits;
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

/// A large host has no row for a connection that is idle.
std::string why_empty(const Sample& now) {
  if (!now.knows(FactId::snapshot)) return "connections are not known: no source can read them";
  std::uint64_t idle = 0;
  for (const NetnsSample& netns : now.netns) idle = add_sat(idle, netns.states[index_of(TcpState::established)].count);
  if (idle == 0) return "no connections";
  std::string out =
      fmt::format("{} connections, none of them in use or waiting: too many to list each", with_commas(idle));
  for (const NetworkTotals& one : now.networks) {  // most connections first
    const std::string who = one.pid != 0 ? fmt::format("{}[{}], {}", one.comm, one.pid, place_text(one)) : "others";
    out += fmt::format("\n{:>9} {}", with_commas(one.connections()), who);
  }
  return out;
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
  spec.traits = [&](Row row) { return traits_of(row, picture); };
  spec.fields = kConnectionFields;
  spec.lines = [&](Row row) { return lines_of(row, picture, view); };
  spec.form = [&](Row row) { return form_of(row.link); };
  spec.member_lines = [&](Row row) { return lines_of(row, picture, view, fmt::format("{} ", glyphs(view.utf8).dot)); };
  spec.folded_lines = [&](std::span<const Connection* const> equal, bool unfolded) {
    return folded_lines(equal, unfolded, picture, view);
  };
  spec.details = [&](Row row) { return details_of(row.link, picture, view); };
  spec.heading = heading_of(kConnectionColumns, view.width, glyphs(view.utf8));
  spec.empty = why_empty(picture.now());
  return make_table(std::move(spec), view);
}

}  // namespace tcpadvisor::watch
