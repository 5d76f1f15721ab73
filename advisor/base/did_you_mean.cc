// SPDX-License-Identifier: Apache-2.0
#include "advisor/base/did_you_mean.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace tcpadvisor {
namespace {

constexpr std::size_t kLongest = 40;  // a longer text is no mistyped word, and comparing it takes time

/// Letters to add, take away or change to get from one word to the other.
std::size_t distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < to.size(); ++j) {
      std::size_t replaced = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string did_you_mean(std::string_view text, const std::vector<std::string_view>& words) {
  std::string_view nearest;
  std::size_t nearest_distance = kLongest;
  for (std::string_view word : words) {
    std::size_t away = text.size() <= kLongest ? distance(text, word) : kLongest;
    if (away <= (word.size() < 4 ? 1u : 2u) && away < nearest_distance) {
      nearest = word;
      nearest_distance = away;
    }
  }
  return nearest.empty() ? "" : fmt::format("; did you mean '{}'?", nearest);
}

}  // namespace tcpadvisor
