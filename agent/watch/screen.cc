// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/screen.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <ranges>

#include "advisor/base/columns.h"
#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "agent/watch/header.h"
#include "agent/watch/help.h"

namespace tcpadvisor::watch {
namespace {

Attr worst_of(const std::vector<Finding>& findings) {
  Severity worst = Severity::info;
  for (const Finding& finding : findings) worst = std::max(worst, finding.severity);
  return worst == Severity::critical ? Attr::critical : worst == Severity::warning ? Attr::warning : Attr::good;
}

std::string_view name_of(List list, const View& view) {
  if (list == List::processes && view.by_group) return kGroupsName;
  return list == List::build_up && view.ports ? kPortsName : kListNames[index_of(list)];
}

Line tabs_line(const Picture& picture, const View& view, const Table& table) {
  Line line;
  for (std::size_t i = 0; i < kListCount; ++i) {
    bool chosen = i == index_of(view.list);
    line.add(fmt::format("{} ", i + 1), Attr::key);
    line.add(fmt::format("{}{}{}", chosen ? "[" : "", name_of(static_cast<List>(i), view), chosen ? "]" : ""),
             chosen ? Attr::title : Attr::normal);
    if (static_cast<List>(i) == List::findings && !picture.verdict.findings.empty()) {
      std::uint64_t more = 0;
      for (const NotListed& part : picture.verdict.not_listed) more = add_sat(more, part.findings);
      line.add(fmt::format(" {}{}", picture.verdict.findings.size(), more > 0 ? "+" + with_commas(more) : ""),
               worst_of(picture.verdict.findings));
    }
    line.add("  ");
  }
  line.add("by " + table.order, Attr::dim);
  return line;
}

struct KeyHint {
  std::string_view text;
  int priority;  ///< the highest are left out first where there is no room
};

/// The keys of the list, as many as there is room for.
std::string key_hints(const View& view, std::size_t room) {
  std::vector<KeyHint> hints = {{"1-5 list", 1}, {"/ filter", 1}, {"s sort", 2}, {"Enter details", 3},
                                {"p pause", 5},  {"r report", 4}, {"? help", 0}, {"q quit", 0}};
  if (view.list == List::processes) hints.insert(hints.begin() + 3, {view.by_group ? "g processes" : "g groups", 1});
  auto text = [&] { return fmt::format("{}", fmt::join(hints | std::views::transform(&KeyHint::text), "  ")); };
  while (hints.size() > 2 && columns_of(text()) > room)
    hints.erase(std::ranges::max_element(hints, {}, &KeyHint::priority));
  return text();
}

Line keys_line(const View& view, const Table* table) {
  bool wrong = table != nullptr && !table->problem.empty();
  if (view.typing_filter) {
    Line line("filter: ", Attr::key);
    line.add(view.filter + "_", Attr::title);
    if (wrong) return line.add("   ! " + table->problem, Attr::critical);
    return line.add("   Enter keeps it, Esc clears it", Attr::dim);
  }
  if (view.page != Page::list) return Line("arrows, PgUp, PgDn scroll   Esc back   q quit", Attr::dim);
  Line line;
  if (!view.filter.empty()) {
    line.add("filter: ", Attr::key).add(view.filter + "  ", Attr::title);
    if (wrong) line.add(fmt::format("! {}  ", table->problem), Attr::critical);
  }
  std::string position;
  if (table != nullptr && table->count > 0 && view.width >= 100)
    position = fmt::format("   {} of {}", view.position + 1, with_commas(table->count));
  std::size_t taken = line.width() + columns_of(position);
  line.add(key_hints(view, view.width > taken ? view.width - taken : 0), Attr::dim);
  return line.add(position, Attr::dim);
}

/// Finds the selected item again; if it is gone, what is now in its place.
void follow_selection(View& view, const Table& table) {
  if (table.count == 0) {
    view.position = view.top = 0;
    view.selected.clear();
    return;
  }
  if (!view.selected.empty() && !(view.position < table.count && table.key(view.position) == view.selected)) {
    for (std::size_t i = 0; i < table.count; ++i) {
      if (table.key(i) == view.selected) {
        view.position = i;
        break;
      }
    }
  }
  view.position = std::min(view.position, table.count - 1);
  if (!view.selected.empty()) view.selected = table.key(view.position);
}

/// Moves the first visible item so that the selected one is fully visible in `room` lines.
void scroll_to_selection(View& view, const Table& table, std::size_t room) {
  view.top = std::min(view.top, view.position);
  std::size_t used = table.lines(view.position).size(), first = view.position;
  while (first > view.top) {
    used += table.lines(first - 1).size();
    if (used > room) break;
    --first;
  }
  view.top = std::max(view.top, first);
}

/// What a list says that has no rows, at most `room` lines of it.
void add_empty(const Table& table, std::size_t room, std::vector<Line>& lines) {
  std::string_view text = table.empty;
  for (std::size_t used = 0; used < room && !text.empty(); ++used) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back("  " + std::string(text.substr(0, end)), Attr::dim);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::vector<Line> list_lines(View& view, const Table& table, std::size_t room) {
  std::vector<Line> lines;
  if (table.count == 0) {
    add_empty(table, room, lines);
    return lines;
  }
  scroll_to_selection(view, table, room);
  for (std::size_t i = view.top; i < table.count && lines.size() < room; ++i) {
    for (Line& line : table.lines(i)) {
      if (lines.size() == room) break;
      line.selected = i == view.position;
      lines.push_back(std::move(line));
    }
  }
  return lines;
}

std::vector<Line> page_lines(View& view, std::vector<Line> all, std::size_t room) {
  std::size_t last_top = all.size() > room ? all.size() - room : 0;
  view.page_top = std::min(view.page_top, last_top);
  all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(view.page_top));
  if (all.size() > room) all.resize(room);
  return all;
}

/// The report's texts stand beside labels of this width, so do their continuations on a narrow screen.
constexpr std::size_t kReportIndent = 14;

std::vector<Line> text_lines(const std::string& text, std::size_t width) {
  std::vector<Line> lines;
  for (std::string& part : wrap(text, width, kReportIndent)) lines.emplace_back(std::move(part));
  return lines;
}

std::string_view title_of(Page page) {
  switch (page) {
    case Page::details:
      return "details";
    case Page::report:
      return "report on what was seen so far";
    case Page::help:
      return "help";
    case Page::list:
      break;
  }
  return "";
}

/// A page takes the place of header and list: its text needs the room.
std::vector<Line> text_page(const Picture& picture, View& view, const std::string& report) {
  std::vector<Line> text;
  if (view.page == Page::help) {
    text = help_lines();
  } else if (view.page == Page::report) {
    text = text_lines(report, view.width);
  } else {
    Table table = table_of(picture, view);
    follow_selection(view, table);
    if (table.count > 0) text = table.details(view.position);
  }
  std::size_t total = text.size();
  std::size_t room = view.height > 3 ? view.height - 3 : 1;
  std::vector<Line> lines = page_lines(view, std::move(text), room);
  Line title(std::string(title_of(view.page)), Attr::title);
  if (total > room) {
    title.add(fmt::format("  lines {} to {} of {}", view.page_top + 1, view.page_top + lines.size(), total), Attr::dim);
  }
  if (view.paused) title.add("  PAUSED", Attr::warning);
  lines.insert(lines.begin(), Line());
  lines.insert(lines.begin(), std::move(title));
  return lines;
}

/// One list, or one side of it, with a title.
void add_plain(const Picture& picture, const View& view, std::size_t list_lines, std::vector<Line>& lines) {
  const Glyphs& g = glyphs(view.utf8);
  Table table = table_of(picture, view);
  lines.emplace_back();
  lines.emplace_back(fmt::format("{} ({}, by {})", name_of(view.list, view), with_commas(table.matching), table.order),
                     Attr::title);
  if (table.count == 0) {
    add_empty(table, list_lines, lines);
    return;
  }
  lines.push_back(table.heading);
  std::size_t used = 0, shown = 0;
  for (; shown < table.count && used < list_lines; ++shown) {
    for (Line& line : table.lines(shown)) {
      lines.push_back(std::move(line));
      ++used;
    }
  }
  if (shown < table.count)
    lines.emplace_back(fmt::format("  {} {} more", g.ellipsis, with_commas(table.count - shown)), Attr::dim);
}

}  // namespace

std::vector<Line> screen_lines(const Picture& picture, View& view, const std::string& report) {
  const Glyphs& g = glyphs(view.utf8);
  view.list = first_list(view, picture);
  std::vector<Line> lines;
  Line keys;
  if (view.page != Page::list) {
    lines = text_page(picture, view, report);
    keys = keys_line(view, nullptr);
  } else {
    Table table = table_of(picture, view);
    follow_selection(view, table);
    lines = header_lines(picture, view);
    lines.push_back(tabs_line(picture, view, table));
    lines.push_back(table.heading);
    std::size_t room = view.height > lines.size() + 1 ? view.height - lines.size() - 1 : 1;
    for (Line& line : list_lines(view, table, room)) lines.push_back(std::move(line));
    keys = keys_line(view, &table);
  }
  lines.resize(view.height > 0 ? view.height - 1 : 0);
  lines.push_back(std::move(keys));
  for (Line& line : lines) line = fit(std::move(line), view.width, g);
  return lines;
}

std::vector<Line> plain_lines(const Picture& picture, const View& view, std::size_t list_lines) {
  std::vector<Line> lines = header_lines(picture, view);
  for (std::size_t i = 0; i < kListCount; ++i) {
    View one = view;
    one.list = static_cast<List>(i);
    one.by_group = one.ports = false;
    add_plain(picture, one, list_lines, lines);
    if (one.list == List::processes) one.by_group = true;
    if (one.list == List::build_up) one.ports = true;
    if (!one.by_group && !one.ports) continue;
    add_plain(picture, one, list_lines, lines);
  }
  for (Line& line : lines) line = fit(std::move(line), view.width, glyphs(view.utf8));
  return lines;
}

}  // namespace tcpadvisor::watch
