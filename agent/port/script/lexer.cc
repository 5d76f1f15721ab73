// SPDX-License-Identifier: Apache-2.0
#include "agent/port/script/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace tcpadvisor::port::script {
namespace {

// Not <cctype>: a script means the same in every locale.
bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_name_char(char c) {
  return is_letter(c) || is_digit(c) || c == '_';
}

struct Unit {
  std::string_view suffix;
  std::int64_t factor;
};
constexpr std::array kUnits{Unit{"KiB", 1 << 10}, Unit{"MiB", 1 << 20}, Unit{"GiB", 1 << 30},
                            Unit{"K", 1 << 10},   Unit{"M", 1 << 20},   Unit{"G", 1 << 30}};

std::unexpected<Number::Fault> fault(std::size_t offset, std::string message) {
  return std::unexpected(Number::Fault{offset, std::move(message)});
}

/// A literal with its unit: how many characters it takes, and its value.
std::expected<std::pair<std::size_t, std::int64_t>, std::string> literal(std::string_view text) {
  std::int64_t value = 0;
  auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::unexpected("this number is too large");
  std::size_t length = static_cast<std::size_t>(rest - text.data());
  std::string_view after = text.substr(length);
  for (const Unit& unit : kUnits) {
    if (!after.starts_with(unit.suffix)) continue;
    if (__builtin_mul_overflow(value, unit.factor, &value)) return std::unexpected("this number is too large");
    return std::pair(length + unit.suffix.size(), value);
  }
  return std::pair(length, value);
}

}  // namespace

std::vector<Word> words_of(std::string_view line) {
  std::vector<Word> words;
  line = line.substr(0, line.find('#'));
  for (std::size_t at = 0; at < line.size();) {
    if (is_blank(line[at])) {
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < line.size() && !is_blank(line[end])) ++end;
    words.push_back({std::string(line.substr(at, end - at)), static_cast<int>(at) + 1});
    at = end;
  }
  return words;
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 32 && is_letter(text.front()) && std::ranges::all_of(text, is_name_char);
}

std::expected<Number, Number::Fault> Number::parse(std::string_view text) {
  Number number;
  number.terms_.clear();
  std::size_t at = 0;
  bool minus = text.starts_with('-');
  if (minus) ++at;
  number.terms_.push_back({minus, {}});
  while (true) {
    if (at == text.size()) return fault(at, "a number is missing here");
    Factor factor;
    if (is_digit(text[at])) {
      auto read = literal(text.substr(at));
      if (!read) return fault(at, read.error());
      at += read->first;
      factor.value = read->second;
    } else if (is_letter(text[at])) {
      std::size_t end = at;
      while (end < text.size() && is_name_char(text[end])) ++end;
      factor.name = text.substr(at, end - at);
      number.names_.push_back({factor.name, at});
      at = end;
    } else {
      return fault(at, "this is not a number: write for example 100, 8KiB or Q+10");
    }
    number.terms_.back().factors.push_back(std::move(factor));
    if (at == text.size()) return number;
    char sign = text[at];
    if (sign != '+' && sign != '-' && sign != '*') {
      return fault(at, "this is not a number: write for example 100, 8KiB or Q+10");
    }
    if (sign != '*') number.terms_.push_back({sign == '-', {}});
    ++at;
  }
}

Result<std::int64_t> Number::evaluate(const Values& values) const {
  constexpr std::string_view kTooLarge = "the result is too large: numbers have 63 bits";
  std::int64_t sum = 0;
  for (const Term& term : terms_) {
    std::int64_t product = 1;
    for (const Factor& factor : term.factors) {
      std::int64_t value = factor.value;
      if (!factor.name.empty()) {
        auto named = values.find(factor.name);
        if (named == values.end()) {
          return fail(ErrorCode::bad_input, fmt::format("'{}' has no value on this transport", factor.name));
        }
        value = named->second;
      }
      if (__builtin_mul_overflow(product, value, &product)) return fail(ErrorCode::bad_input, std::string(kTooLarge));
    }
    bool over = term.minus ? __builtin_sub_overflow(sum, product, &sum) : __builtin_add_overflow(sum, product, &sum);
    if (over) return fail(ErrorCode::bad_input, std::string(kTooLarge));
  }
  return sum;
}

}  // namespace tcpadvisor::port::script
