// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/table.h"

#include <cctype>

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
    text = column.prose ? cut(text, width, g) : cut_middle(text, width, g);
    line.add(column.at_right ? right(text, width, g) : left(text, width, g), cells[i].attr);
  }
  return line;
}

Line heading_of(std::span<const Column> columns, std::size_t screen_width, const Glyphs& g) {
  std::vector<Span> names;
  for (const Column& column : columns) names.push_back({std::string(column.name), Attr::label});
  return row_of(columns, names, screen_width, g);
}

bool contains_ignoring_case(std::string_view text, std::string_view part) {
  auto same = [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); };
  return !std::ranges::search(text, part, same).empty() || part.empty();
}

Table table_of(const Picture& picture, const View& view) {
  switch (view.list) {
    case List::connections:
      return connections_table(picture, view);
    case List::processes:
      return processes_table(picture, view);
    case List::listeners:
      return listeners_table(picture, view);
    case List::build_up:
      return build_up_table(picture, view);
    case List::findings:
      break;
  }
  return findings_table(picture, view);
}

}  // namespace tcpadvisor::watch
