// SPDX-License-Identifier: Apache-2.0
// List 4: which sockets pile up in a state that they should only pass through, whose they are, how old and how fast.
#include "agent/observe/build_up.h"

#include <fmt/format.h>

#include <algorithm>

#include "advisor/base/text.h"
#include "advisor/evidence/names.h"
#include "agent/observe/groups.h"
#include "agent/watch/details.h"
#include "agent/watch/table.h"
#include "agent/watch/units.h"

namespace tcpadvisor::watch {
namespace {

using observe::BuildUp;

constexpr std::array<Column, 7> kBuildUpColumns = {{{"OWNER", 0, false, 0, Cut::name},
                                                    {"STATE", 11},
                                                    {"COUNT", 8, true},
                                                    {"OLD", 8, true},
                                                    {"OLDEST", 9, true},
                                                    {"GROWTH", 12, true},
                                                    {"GROUP", 32, false, 110}}};
const Fields kBuildUpFields = {Field::proc, Field::state, Field::group, Field::netns, Field::age};

std::optional<OwnerGroup> group_of(const BuildUp& item, const Picture& picture) {
  return item.owner != nullptr ? observe::group_of(*item.owner, picture.now()) : std::nullopt;
}

Traits traits_of(const BuildUp& item, const Picture& picture) {
  Traits traits;
  traits.processes = {item.owner_text};
  traits.states = {std::string(name_of(item.state))};
  traits.add_group(group_of(item, picture));
  if (item.owner != nullptr) traits.netns = {netns_text(picture.now(), item.owner->netns)};
  if (item.oldest) traits.age_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(item.oldest->value.count(), 0));
  traits.words =
      fmt::format("{} {} {}", item.owner_text, name_of(item.state), item.owner != nullptr ? item.owner->cgroup : "");
  for (const std::string& group : traits.groups) traits.words += " " + group;
  return traits;
}

std::vector<Line> lines_of(const BuildUp& item, const Picture& picture, const View& view) {
  auto group = group_of(item, picture);
  Attr attr = item.old > 0 ? Attr::warning : Attr::normal;
  std::array<Span, kBuildUpColumns.size()> cells = {
      {{item.owner_text},
       {std::string(name_of(item.state)), attr},
       {with_commas(item.count)},
       {with_commas(item.old), attr},
       {item.oldest ? age_text(*item.oldest) : "-"},
       {item.growth_per_minute ? fmt::format("{:+.1f}/min", *item.growth_per_minute) : "-"},
       {group ? group->name : ""}}};
  return {row_of(kBuildUpColumns, cells, view.width, glyphs(view.utf8))};
}

std::vector<Line> details_of(const BuildUp& item, const Picture& picture, const Glyphs& g) {
  std::vector<Line> lines = {
      detail("owner", item.owner_text), detail("state", std::string(name_of(item.state))),
      detail("count", with_commas(item.count)),
      detail("older than " + age_text(static_cast<std::uint64_t>(picture.policy.age.count())), with_commas(item.old))};
  if (item.oldest) lines.push_back(detail("oldest", age_text(*item.oldest)));
  if (item.growth_per_minute) {
    lines.push_back(
        detail("growth", fmt::format("{:+.1f}/min over {:.0f} s", *item.growth_per_minute, picture.window.span_s())));
  }
  lines.emplace_back();
  lines.emplace_back("its sockets, as far as they have rows of their own", Attr::label);
  for (const SocketRow* row : observe::rows_of(item, picture.window.connections())) {
    lines.emplace_back(fmt::format("  {:>9}  {} {} {}", age_text(picture.window.age(*row)), row->local.text(), g.arrow,
                                   row->remote.text()));
  }
  return lines;
}

}  // namespace

Table build_up_table(const Picture& picture, const View& view) {
  using Row = const BuildUp&;
  TableSpec<BuildUp> spec;
  spec.rows = observe::build_ups_of(picture);
  auto oldest = [](Row row) { return row.oldest ? row.oldest->value.count() : -1; };
  spec.orders = {
      {"old", [](Row a, Row b) { return std::pair(a.old, a.count) > std::pair(b.old, b.count); }},
      {"count", [](Row a, Row b) { return a.count > b.count; }},
      {"oldest", [=](Row a, Row b) { return oldest(a) > oldest(b); }},
      {"growth", [](Row a, Row b) { return a.growth_per_minute.value_or(0) > b.growth_per_minute.value_or(0); }}};
  spec.key = [](Row row) { return fmt::format("b{}/{}", row.owner_text, name_of(row.state)); };
  spec.traits = [&](Row row) { return traits_of(row, picture); };
  spec.fields = kBuildUpFields;
  spec.lines = [&](Row row) { return lines_of(row, picture, view); };
  spec.details = [&](Row row) { return details_of(row, picture, glyphs(view.utf8)); };
  spec.heading = heading_of(kBuildUpColumns, view.width, glyphs(view.utf8));
  spec.empty = picture.now().knows(FactId::snapshot) ? "nothing piles up in a closing or opening state"
                                                     : "states are not known: no source can read them";
  return make_table(std::move(spec), view);
}

}  // namespace tcpadvisor::watch
