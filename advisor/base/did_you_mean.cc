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

std::optional<std::size_t> nearest(std::string_view text, const std::vector<std::string_view>& words) {
  std::optional<std::size_t> out;
  std::size_t nearest_distance = kLongest;
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::size_t away = text.size() <= kLongest ? distance(text, words[i]) : kLongest;
    if (away <= (words[i].size() < 4 ? 1u : 2u) && away < nearest_distance) {
      out = i;
      nearest_distance = away;
    }
  }
  return out;
}

std::string did_you_mean(std::string_view text, const std::vector<std::string_view>& words) {
  const std::optional<std::size_t> at = nearest(text, words);
  return at ? fmt::format("; did you mean '{}'?", words[*at]) : "";
}

std::string folded(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) out += c;
  }
  return out;
}

}  // namespace tcpadvisor
