// SPDX-License-Identifier: Apache-2.0
// Text, such as that of /proc, into words and numbers, without allocation.
#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string_view>
#include <vector>

namespace tcpadvisor {

/// Takes the next word (separated by spaces or tabs) off the front of `text`; empty at the end.
constexpr std::string_view next_word(std::string_view& text) {
  std::size_t start = text.find_first_not_of(" \t");
  if (start == std::string_view::npos) start = text.size();
  std::size_t end = text.find_first_of(" \t", start);
  if (end == std::string_view::npos) end = text.size();
  std::string_view word = text.substr(start, end - start);
  text.remove_prefix(end);
  return word;
}

/// Takes the next line off the front of `text`, without its newline. Nothing at the end.
constexpr std::optional<std::string_view> next_line(std::string_view& text) {
  if (text.empty()) return std::nullopt;
  std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

/// The whole word as a number.
template <std::integral T>
std::optional<T> number(std::string_view word, int base = 10) {
  T value{};
  auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, base);
  if (word.empty() || error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

inline std::string_view trimmed(std::string_view text) {
  std::size_t start = text.find_first_not_of(" \t\n");
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(" \t\n") - start + 1);
}

}  // namespace tcpadvisor
