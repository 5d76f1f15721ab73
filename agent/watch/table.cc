// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/table.h"

#include "advisor/base/columns.h"

namespace tcpadvisor::watch {
namespace {

std::size_t width_of(std::span<const Column> columns, const Column& column, std::size_t screen_width) {
  if (column.width > 0) return column.width;
  std::size_t taken = 0;
  for (const Column& other : columns) {
    if (screen_width >= other.from && other.width > 0) taken += other.width + 1;
  }
  return screen_width > taken ? screen_width - taken : 1;
}

}  // namespace

Line row_of(std::span<const Column> columns, std::span<const Span> cells, std::size_t screen_width, const Glyphs& g) {
  Line line;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const Column& column = columns[i];
    if (screen_width < column.from) continue;
    if (!line.spans.empty()) line.add(" ");
    std::size_t width = width_of(columns, column, screen_width);
    std::string text = cells[i].text;
    if (column.at_right && columns_of(text) > width) std::erase(text, ',');  // a number: better without commas than cut
    text = column.cut == Cut::end    ? cut(text, width, g)
           : column.cut == Cut::name ? cut_owner(text, width, g)
                                     : cut_middle(text, width, g);
    line.add(column.at_right ? right(text, width, g) : left(text, width, g), cells[i].attr);
  }
  return line;
}

Line heading_of(std::span<const Column> columns, std::size_t screen_width, const Glyphs& g) {
  std::vector<Span> names;
  for (const Column& column : columns) names.push_back({std::string(column.name), Attr::label});
  return row_of(columns, names, screen_width, g);
}

List first_list(const View& view, const Picture& picture) {
  if (view.list_chosen) return view.list;
  return picture.verdict.findings.empty() ? List::connections : List::findings;
}

Table table_of(const Picture& picture, const View& view) {
  switch (view.list) {
    case List::connections:
      return connections_table(picture, view);
    case List::processes:
      return view.by_group ? groups_table(picture, view) : processes_table(picture, view);
    case List::listeners:
      return listeners_table(picture, view);
    case List::build_up:
      return view.ports ? ports_table(picture, view) : build_up_table(picture, view);
    case List::findings:
      break;
  }
  return findings_table(picture, view);
}

}  // namespace tcpadvisor::watch
