// SPDX-License-Identifier: Apache-2.0
// List 2: processes that hold TCP sockets.
#include <fmt/format.h>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/evidence/names.h"
#include "agent/observe/groups.h"
#include "agent/watch/details.h"
#include "agent/watch/table.h"
#include "agent/watch/units.h"

namespace tcpadvisor::watch {
namespace {

constexpr std::array<Column, 12> kProcessColumns = {{{"PROCESS", 0, false, 0, Cut::name},
                                                     {"TCP", 7, true},
                                                     {"ESTAB", 7, true},
                                                     {"LISTEN", 6, true},
                                                     {"CLOSE-W", 7, true},
                                                     {"FIN-W-2", 7, true},
                                                     {"RECV-Q", 9, true},
                                                     {"SEND-Q", 9, true},
                                                     {"FDS", 11, true, 90},
                                                     {"MEMORY", 8, true, 110},
                                                     {"GROUP", 20, false, 120},
                                                     {"NETNS", 10, false, 140}}};
const Fields kProcessFields = {Field::proc, Field::state, Field::group, Field::netns, Field::q};

/// Descriptors and their share of those allowed, "980 96%": at the limit accept() fails.
Span descriptors(const OwnerTotals& owner) {
  if (!owner.fds) return {"-"};
  if (!owner.fd_limit || *owner.fd_limit == 0) return {with_commas(*owner.fds)};
  double share = static_cast<double>(*owner.fds) / static_cast<double>(*owner.fd_limit);
  Attr attr = share >= 0.95 ? Attr::critical : share >= 0.8 ? Attr::warning : Attr::normal;
  return {fmt::format("{} {:.0f}%", *owner.fds, 100 * share), attr};
}

std::vector<Line> lines_of(const OwnerTotals& owner, const Picture& picture, const View& view) {
  auto group = observe::group_of(owner, picture.now());
  auto in = [&](TcpState state) { return with_commas(owner.sockets[index_of(state)]); };
  auto closing = [&](TcpState state, std::uint32_t old) {
    return Span{in(state), old > 0 ? Attr::warning : Attr::normal};
  };
  std::array<Span, kProcessColumns.size()> cells = {{{fmt::format("{}[{}]", owner.comm, owner.pid)},
                                                     {with_commas(owner.tcp_sockets())},
                                                     {in(TcpState::established)},
                                                     {in(TcpState::listen)},
                                                     closing(TcpState::close_wait, owner.old_close_wait),
                                                     closing(TcpState::fin_wait_2, owner.old_fin_wait_2),
                                                     {queue_text(owner.recv_q)},
                                                     {queue_text(owner.send_q)},
                                                     descriptors(owner),
                                                     {human_bytes(owner.rmem + owner.wmem)},
                                                     {group ? group->name : "-"},
                                                     {netns_text(picture.now(), owner.netns)}}};
  return {row_of(kProcessColumns, cells, view.width, glyphs(view.utf8))};
}

Traits traits_of(const OwnerTotals& owner, const Picture& picture) {
  Traits traits;
  traits.processes = {fmt::format("{}[{}]", owner.comm, owner.pid)};
  traits.netns = {netns_text(picture.now(), owner.netns)};
  for (std::size_t state = 1; state < kStateCount; ++state) {
    if (owner.sockets[state] > 0) traits.states.emplace_back(kStateNames[state]);
  }
  traits.add_group(observe::group_of(owner, picture.now()));
  traits.queued = add_sat(owner.recv_q, owner.send_q);
  traits.words = fmt::format("{} {} {}", traits.processes.front(), owner.cgroup, traits.netns.front());
  for (const std::string& group : traits.groups) traits.words += " " + group;
  return traits;
}

}  // namespace

Table processes_table(const Picture& picture, const View& view) {
  using Row = const OwnerTotals*;
  TableSpec<Row> spec;
  for (const OwnerTotals& owner : picture.now().owners) spec.rows.push_back(&owner);
  auto queued = [](Row row) { return row->recv_q + row->send_q; };
  auto leaking = [](Row row) {
    return row->sockets[index_of(TcpState::close_wait)] + row->sockets[index_of(TcpState::fin_wait_2)];
  };
  spec.orders = {{"sockets", [](Row a, Row b) { return a->tcp_sockets() > b->tcp_sockets(); }},
                 {"queue", [=](Row a, Row b) { return queued(a) > queued(b); }},
                 {"closing", [=](Row a, Row b) { return leaking(a) > leaking(b); }},
                 {"descriptors", [](Row a, Row b) { return a->fds.value_or(0) > b->fds.value_or(0); }},
                 {"pid", [](Row a, Row b) { return a->pid < b->pid; }}};
  spec.key = [](Row row) { return fmt::format("p{}", row->pid); };
  spec.traits = [&](Row row) { return traits_of(*row, picture); };
  spec.fields = kProcessFields;
  spec.lines = [&](Row row) { return lines_of(*row, picture, view); };
  spec.details = [&](Row row) { return process_details(*row, picture.now()); };
  spec.heading = heading_of(kProcessColumns, view.width, glyphs(view.utf8));
  const FactCoverage* owners = picture.now().fact(FactId::owners);
  spec.empty = !picture.now().knows(FactId::owners) ? "owners are not known; tcpadvisor doctor says why"
               : owners->exact                      ? "no process holds a TCP socket"
                                                    : "no process that we may look into holds a TCP socket";
  return make_table(std::move(spec), view);
}

}  // namespace tcpadvisor::watch
