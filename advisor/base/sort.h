// SPDX-License-Identifier: Apache-2.0
// Sorting of what is large. Pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace tcpadvisor {

/// Sorts by what `key(item)` gives, which may refer to the item; stable. Each key is made once and each item is moved
/// once, into its place, instead of with every comparison: of thousands of large items the memory is the time.
template <typename Item, typename Key>
void sort_by_key(std::vector<Item>& items, Key key) {
  using Place = std::pair<decltype(key(std::as_const(items.front()))), std::size_t>;
  std::vector<Place> places;  // where the item comes from that belongs here
  places.reserve(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) places.emplace_back(key(std::as_const(items[i])), i);
  std::ranges::stable_sort(places, {}, &Place::first);
  for (std::size_t start = 0; start < items.size(); ++start) {
    std::size_t from = places[start].second;
    if (from == start) continue;
    Item first = std::move(items[start]);  // the others of its circle move up, one after the other
    std::size_t to = start;
    for (; from != start; from = places[to].second) {
      items[to] = std::move(items[from]);
      places[to].second = to;
      to = from;
    }
    items[to] = std::move(first);
    places[to].second = to;
  }
}

}  // namespace tcpadvisor
