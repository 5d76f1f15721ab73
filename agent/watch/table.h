// SPDX-License-Identifier: Apache-2.0
// A list as the screen needs it: ordered, filtered, and drawn item by item, so that only what is visible costs time.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "agent/watch/line.h"
#include "agent/watch/view.h"

namespace tcpadvisor::watch {

struct Column {
  std::string_view name;
  std::size_t width = 0;  ///< 0: takes what the others leave
  bool at_right = false;
  std::size_t from = 0;  ///< shown on screens at least this wide
  bool prose = false;    ///< cut at the end; names and addresses are cut in the middle
};

Line heading_of(std::span<const Column> columns, std::size_t screen_width, const Glyphs& g);
/// One cell per column, shown or not.
Line row_of(std::span<const Column> columns, std::span<const Span> cells, std::size_t screen_width, const Glyphs& g);

struct Table {
  Line heading;
  std::string order;  ///< name of the order in use
  std::string empty;  ///< what to say when there is no item
  std::size_t count = 0;
  std::function<std::string(std::size_t)> key;
  std::function<std::vector<Line>(std::size_t)> lines;
  std::function<std::vector<Line>(std::size_t)> details;
};

bool contains_ignoring_case(std::string_view text, std::string_view part);

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
  std::function<std::string(const Row&)> words;  ///< what the filter looks at
  std::function<std::vector<Line>(const Row&)> lines;
  std::function<std::vector<Line>(const Row&)> details;
  Line heading;
  std::string empty;
};

template <typename Row>
Table make_table(TableSpec<Row> spec, const View& view) {
  if (!view.filter.empty()) {
    std::erase_if(spec.rows, [&](const Row& row) { return !contains_ignoring_case(spec.words(row), view.filter); });
  }
  const Order<Row>& order = spec.orders[view.sort[index_of(view.list)] % spec.orders.size()];
  std::ranges::stable_sort(spec.rows, order.before);

  Table table;
  table.heading = spec.heading;
  table.order = order.name;
  table.empty = view.filter.empty() ? spec.empty : "nothing matches the filter '" + view.filter + "'";
  table.count = spec.rows.size();
  auto shared = std::make_shared<const TableSpec<Row>>(std::move(spec));
  table.key = [shared](std::size_t i) { return shared->key(shared->rows[i]); };
  table.lines = [shared](std::size_t i) { return shared->lines(shared->rows[i]); };
  table.details = [shared](std::size_t i) { return shared->details(shared->rows[i]); };
  return table;
}

/// The list that the view asks for. It refers to the picture's samples: draw it before they go.
Table table_of(const Picture& picture, const View& view);

Table connections_table(const Picture& picture, const View& view);
Table processes_table(const Picture& picture, const View& view);
Table listeners_table(const Picture& picture, const View& view);
Table build_up_table(const Picture& picture, const View& view);
Table findings_table(const Picture& picture, const View& view);

}  // namespace tcpadvisor::watch
