// SPDX-License-Identifier: Apache-2.0
// List 2, the other way: units, containers, pods and users, and what their processes add up to.
#include "agent/observe/groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/evidence/names.h"
#include "agent/watch/details.h"
#include "agent/watch/table.h"
#include "agent/watch/units.h"

namespace tcpadvisor::watch {
namespace {

using observe::GroupTotals;

constexpr std::array<Column, 11> kGroupColumns = {{{"GROUP"},
                                                   {"KIND", 9, false, 110},
                                                   {"PROCS", 5, true},
                                                   {"TCP", 7, true},
                                                   {"ESTAB", 7, true, 100},
                                                   {"LISTEN", 6, true, 100},
                                                   {"CLOSE-W", 7, true},
                                                   {"FIN-W-2", 7, true, 100},
                                                   {"RECV-Q", 9, true},
                                                   {"SEND-Q", 9, true},
                                                   {"MEMORY", 9, true, 110}}};
const Fields kGroupFields = {Field::proc, Field::state, Field::group, Field::netns, Field::q};

std::string name_of(const GroupTotals& totals) {
  return totals.group ? totals.group->name : "(cgroup not known)";
}

std::vector<Line> lines_of(const GroupTotals& totals, const View& view) {
  auto in = [&](TcpState state) { return with_commas(totals.sockets[index_of(state)]); };
  auto closing = [&](TcpState state, std::uint64_t old) {
    return Span{in(state), old > 0 ? Attr::warning : Attr::normal};
  };
  std::array<Span, kGroupColumns.size()> cells = {{{name_of(totals)},
                                                   {totals.group ? std::string(name_of(totals.group->kind)) : "-"},
                                                   {with_commas(totals.processes.size())},
                                                   {with_commas(totals.tcp_sockets())},
                                                   {in(TcpState::established)},
                                                   {in(TcpState::listen)},
                                                   closing(TcpState::close_wait, totals.old_close_wait),
                                                   closing(TcpState::fin_wait_2, totals.old_fin_wait_2),
                                                   {queue_text(totals.recv_q)},
                                                   {queue_text(totals.send_q)},
                                                   {human_bytes(add_sat(totals.rmem, totals.wmem))}}};
  return {row_of(kGroupColumns, cells, view.width, glyphs(view.utf8))};
}

std::vector<Line> details_of(const GroupTotals& totals) {
  std::vector<Line> lines;
  if (totals.group) {
    lines.push_back(detail(name_of(totals.group->kind), totals.group->name));
    if (totals.group->id != totals.group->name) lines.push_back(detail("id", totals.group->id));
    if (!totals.group->pod.empty()) lines.push_back(detail("pod", totals.group->pod));
  }
  std::set<std::string> cgroups;
  for (const OwnerTotals* owner : totals.processes) cgroups.insert(owner->cgroup);
  for (const std::string& cgroup : cgroups) lines.push_back(detail("cgroup", cgroup));
  for (std::size_t state = 1; state < kStateCount; ++state) {
    if (totals.sockets[state] > 0) lines.push_back(detail(kStateNames[state], with_commas(totals.sockets[state])));
  }
  lines.push_back(detail("Recv-Q", queue_text(totals.recv_q)));
  lines.push_back(detail("Send-Q", queue_text(totals.send_q)));
  lines.push_back(detail("receive memory", human_bytes(totals.rmem)));
  lines.push_back(detail("send memory", human_bytes(totals.wmem)));
  lines.emplace_back();
  lines.emplace_back("its processes, and how many TCP sockets they hold", Attr::label);
  for (const OwnerTotals* owner : totals.processes)
    lines.emplace_back(fmt::format("  {:>9}  {}[{}]", with_commas(owner->tcp_sockets()), owner->comm, owner->pid));
  return lines;
}

Traits traits_of(const GroupTotals& totals, const Picture& picture) {
  Traits traits;
  traits.words = name_of(totals);
  traits.add_group(totals.group);
  for (const std::string& group : traits.groups) traits.words += " " + group;
  for (const OwnerTotals* owner : totals.processes) {
    traits.processes.push_back(fmt::format("{}[{}]", owner->comm, owner->pid));
    traits.netns.push_back(netns_text(picture.now(), owner->netns));
    traits.words += fmt::format(" {} {}", traits.processes.back(), owner->cgroup);
  }
  for (std::size_t state = 1; state < kStateCount; ++state) {
    if (totals.sockets[state] > 0) traits.states.emplace_back(kStateNames[state]);
  }
  traits.queued = add_sat(totals.recv_q, totals.send_q);
  return traits;
}

}  // namespace

Table groups_table(const Picture& picture, const View& view) {
  using Row = const GroupTotals&;
  TableSpec<GroupTotals> spec;
  spec.rows = observe::group_totals(picture);
  auto queued = [](Row row) { return add_sat(row.recv_q, row.send_q); };
  auto leaking = [](Row row) {
    return add_sat(row.sockets[index_of(TcpState::close_wait)], row.sockets[index_of(TcpState::fin_wait_2)]);
  };
  spec.orders = {{"sockets", [](Row a, Row b) { return a.tcp_sockets() > b.tcp_sockets(); }},
                 {"queue", [=](Row a, Row b) { return queued(a) > queued(b); }},
                 {"closing", [=](Row a, Row b) { return leaking(a) > leaking(b); }},
                 {"name", [](Row a, Row b) { return name_of(a) < name_of(b); }}};
  spec.key = [](Row row) {
    return row.group ? fmt::format("g{}/{}/{}", name_of(row.group->kind), row.group->name, row.group->id) : "g";
  };
  spec.traits = [&](Row row) { return traits_of(row, picture); };
  spec.fields = kGroupFields;
  spec.lines = [&](Row row) { return lines_of(row, view); };
  spec.details = [](Row row) { return details_of(row); };
  spec.heading = heading_of(kGroupColumns, view.width, glyphs(view.utf8));
  spec.empty = picture.now().knows(FactId::owners) ? "no process holds a TCP socket"
                                                   : "owners are not known; tcpadvisor doctor says why";
  return make_table(std::move(spec), view);
}

}  // namespace tcpadvisor::watch
