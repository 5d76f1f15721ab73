// SPDX-License-Identifier: Apache-2.0
// A list as the screen needs it: ordered, filtered, and drawn item by item, so that only what is visible costs time.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/watch/filter.h"
#include "agent/watch/line.h"
#include "agent/watch/view.h"

namespace tcpadvisor::watch {

/// What is left out of a text that is too wide.
enum class Cut : std::uint8_t {
  middle,  ///< of addresses and paths
  end,     ///< of sentences
  name,    ///< of a process: its pid stays
};

struct Column {
  std::string_view name;
  std::size_t width = 0;  ///< 0: takes what the others leave
  bool at_right = false;
  std::size_t from = 0;  ///< shown on screens at least this wide
  Cut cut = Cut::middle;
};

Line heading_of(std::span<const Column> columns, std::size_t screen_width, const Glyphs& g);
/// One cell per column, shown or not.
Line row_of(std::span<const Column> columns, std::span<const Span> cells, std::size_t screen_width, const Glyphs& g);

struct Table {
  Line heading;
  std::string order;         ///< name of the order in use
  std::string empty;         ///< what to say when there is no item
  std::string problem;       ///< what is wrong with the filter; empty if nothing is
  std::size_t count = 0;     ///< items: rows of their own, and what stands for equal ones
  std::size_t matching = 0;  ///< rows that the filter leaves
  std::function<std::string(std::size_t)> key;
  std::function<bool(std::size_t)> folds;  ///< the item stands for several rows: Enter shows or hides them
  std::function<std::vector<Line>(std::size_t)> lines;
  std::function<std::vector<Line>(std::size_t)> details;
};

template <typename Row>
struct Order {
  std::string_view name;
  std::function<bool(const Row&, const Row&)> before;
};

template <typename Row>
struct TableSpec {
  std::vector<Row> rows;
  std::vector<Order<Row>> orders;  ///< at least one
  std::function<std::string(const Row&)> key;
  std::function<Traits(const Row&)> traits;
  Fields fields;  ///< of the traits
  std::function<std::vector<Line>(const Row&)> lines;
  std::function<std::vector<Line>(const Row&)> details;
  /// Rows of the same form become one item if there are enough; that form is its key. An empty one is no form.
  std::function<std::string(const Row&)> form = {};
  std::size_t enough = 2;
  std::function<std::vector<Line>(std::span<const Row* const>, bool unfolded)> folded_lines = {};
  std::function<std::vector<Line>(const Row&)> member_lines = {};  ///< of a row below the item that stands for it
  Line heading;
  std::string empty;
};

/// The rows in their order, equal ones behind the first of them; items refer to them.
template <typename Row>
struct Folded {
  struct Item {
    std::size_t first = 0, count = 1;  ///< in `rows`
    std::string form = {};             ///< of an item that stands for several rows
    bool member = false;               ///< a row below such an item
  };
  TableSpec<Row> spec;
  std::vector<const Row*> rows;
  std::vector<Item> items;

  Folded(TableSpec<Row> from, const View& view) : spec(std::move(from)) {
    std::vector<std::vector<const Row*>> equal;
    std::vector<std::string> forms;
    std::unordered_map<std::string, std::size_t> known;
    for (const Row& row : spec.rows) {
      std::string form = spec.form ? spec.form(row) : "";
      auto [at, is_new] = form.empty() ? std::pair(known.end(), true) : known.try_emplace(form, equal.size());
      if (is_new) {
        equal.emplace_back();
        forms.push_back(std::move(form));
      }
      equal[is_new ? equal.size() - 1 : at->second].push_back(&row);
    }
    for (std::size_t i = 0; i < equal.size(); ++i) add(equal[i], forms[i], view);
  }

  void add(const std::vector<const Row*>& equal, const std::string& form, const View& view) {
    std::size_t first = rows.size();
    rows.insert(rows.end(), equal.begin(), equal.end());
    if (form.empty() || equal.size() < spec.enough) {
      for (std::size_t i = 0; i < equal.size(); ++i) items.push_back({.first = first + i});
      return;
    }
    bool unfolded = view.unfolded.contains(form);
    items.push_back({.first = first, .count = equal.size(), .form = form});
    for (std::size_t i = 0; unfolded && i < equal.size(); ++i) items.push_back({.first = first + i, .member = true});
  }

  bool folds(std::size_t i) const { return items[i].count > 1; }
  const Row& row(std::size_t i) const { return *rows[items[i].first]; }
  std::string key(std::size_t i) const { return folds(i) ? items[i].form : spec.key(row(i)); }
  std::vector<Line> lines(std::size_t i) const {
    if (!folds(i)) return items[i].member ? spec.member_lines(row(i)) : spec.lines(row(i));
    bool unfolded = i + 1 < items.size() && items[i + 1].member;
    return spec.folded_lines(std::span(rows).subspan(items[i].first, items[i].count), unfolded);
  }
};

template <typename Row>
Table make_table(TableSpec<Row> spec, const View& view) {
  Filter filter(view.filter);
  if (!filter.empty()) {
    std::erase_if(spec.rows, [&](const Row& row) { return !filter.matches(spec.traits(row), spec.fields); });
  }
  const Order<Row>& order = spec.orders[view.sort[index_of(view.list)] % spec.orders.size()];
  std::ranges::stable_sort(spec.rows, order.before);

  Table table;
  table.heading = spec.heading;
  table.order = order.name;
  table.problem = filter.problem(spec.fields);
  table.empty = filter.empty() ? spec.empty : "nothing matches the filter '" + view.filter + "'";
  table.matching = spec.rows.size();
  auto folded = std::make_shared<const Folded<Row>>(std::move(spec), view);
  table.count = folded->items.size();
  table.key = [folded](std::size_t i) { return folded->key(i); };
  table.folds = [folded](std::size_t i) { return folded->folds(i); };
  table.lines = [folded](std::size_t i) { return folded->lines(i); };
  table.details = [folded](std::size_t i) { return folded->spec.details(folded->row(i)); };
  return table;
}

/// The list that the user has chosen; before that the findings, if there are any.
List first_list(const View& view, const Picture& picture);

/// The list that the view asks for. It refers to the picture's samples: draw it before they go.
Table table_of(const Picture& picture, const View& view);

Table connections_table(const Picture& picture, const View& view);
Table processes_table(const Picture& picture, const View& view);
Table groups_table(const Picture& picture, const View& view);
Table listeners_table(const Picture& picture, const View& view);
Table build_up_table(const Picture& picture, const View& view);
Table ports_table(const Picture& picture, const View& view);
Table findings_table(const Picture& picture, const View& view);

}  // namespace tcpadvisor::watch
