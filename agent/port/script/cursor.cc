// SPDX-License-Identifier: Apache-2.0
#include "agent/port/script/cursor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <ranges>

#include "advisor/base/did_you_mean.h"
#include "advisor/base/text.h"

namespace tcpadvisor::port::script {
namespace {

/// Words that would make a step ambiguous, or hard to read aloud.
constexpr std::array<std::string_view, 22> kReserved{
    "peer", "order", "any",   "all",  "true", "false", "infinity", "once", "raw", "yes",  "no",
    "ok",   "wait",  "until", "from", "to",   "by",    "within",   "with", "of",  "none", "kernel"};

std::vector<std::string_view> names_of(std::span<const Key> keys) {
  std::vector<std::string_view> names;
  for (const Key& key : keys) names.push_back(key.name);
  return names;
}

}  // namespace

std::string quoted(std::string_view text) {
  constexpr std::size_t kLongest = 40;
  std::string shown = printable(text.substr(0, kLongest));
  return fmt::format("'{}{}'", shown, text.size() > kLongest ? "…" : "");
}

bool is_option_word(std::string_view text) {
  constexpr std::array<std::string_view, 6> kWords{"true", "false", "infinity", "once", "raw", "kernel"};
  bool linger = text.starts_with("true/") || text.starts_with("false/");
  return linger || std::ranges::find(kWords, text) != kWords.end();
}

std::string_view to_text(NameKind kind) {
  switch (kind) {
    case NameKind::port:
      return "port";
    case NameKind::listener:
      return "listener";
    case NameKind::channel:
      return "channel";
    case NameKind::caller:
      return "caller";
    case NameKind::value:
      break;
  }
  return "value";
}

void Cursor::fail(int column, std::string message) {
  if (!fault_) fault_ = Fault{column, std::move(message)};
}

int Cursor::column() const {
  if (at_ < words_.size()) return words_[at_].column;
  return words_.empty() ? 1 : words_.back().column + static_cast<int>(words_.back().text.size());
}

void Cursor::want_end() {
  if (end()) return;
  fail(column(), fmt::format("{} is too much here: {}", quoted(peek()), shape_));
}

std::string Cursor::next(std::string_view what) {
  if (failed()) return "";
  if (end()) {
    fail(column(), fmt::format("the line ends, but {} is missing: {}", what, shape_));
    return "";
  }
  return words_[at_++].text;
}

bool Cursor::take(std::string_view word) {
  if (end() || peek() != word) return false;
  ++at_;
  return true;
}

void Cursor::want(std::string_view word) {
  if (take(word) || failed()) return;
  if (end()) {
    fail(column(), fmt::format("the line ends, but '{}' is missing: {}", word, shape_));
  } else {
    fail(column(), fmt::format("{} stands where '{}' should: {}", quoted(peek()), word, shape_));
  }
}

void Cursor::words_expected(std::string_view got, int column, const std::vector<std::string_view>& words) {
  fail(column, fmt::format("{} is not known here: write one of {}{}", quoted(got), fmt::join(words, ", "),
                           did_you_mean(got, words)));
}

std::string_view Cursor::choice(std::initializer_list<std::string_view> words) {
  int place = column();
  std::string got = next(fmt::format("one of {}", fmt::join(words, ", ")));
  for (std::string_view word : words) {
    if (got == word) return word;
  }
  if (!failed()) words_expected(got, place, words);
  return *words.begin();
}

Number Cursor::number(std::string_view what) {
  int place = column();
  std::string text = next(what);
  return failed() ? Number() : number_at(text, place);
}

Number Cursor::number_at(std::string_view text, int column) {
  auto parsed = Number::parse(text);
  if (!parsed) {
    fail(column + static_cast<int>(parsed.error().offset), fmt::format("{}: {}", quoted(text), parsed.error().message));
    return {};
  }
  for (const Number::Name& name : parsed->names())
    name_at(name.text, column + static_cast<int>(name.offset), NameKind::value);
  return failed() ? Number() : *parsed;
}

Time Cursor::time() {
  int place = column();
  std::string text = next("a time such as 300ms or 5s");
  return failed() ? Time::zero() : time_at(text, place);
}

Time Cursor::time_at(std::string_view text, int column) {
  if (text == "0" || text == "0ms" || text == "0s" || text == "0m" || text == "0h") return Time::zero();
  auto parsed = parse_duration(text);
  if (parsed) return *parsed;
  std::string_view unit = text.substr(std::min(text.find_first_not_of("0123456789"), text.size()));
  bool is_time = unit.size() < text.size() && (unit == "ms" || unit == "s" || unit == "m" || unit == "h");
  fail(column, is_time ? fmt::format("{} is too large: a time is at most 365 days", quoted(text))
                       : fmt::format("{} is not a time: write a number and ms, s, m or h, for example 300ms or 5s",
                                     quoted(text)));
  return Time::zero();
}

std::set<TransportKind> Cursor::transports() {
  std::set<TransportKind> kinds;
  do {
    int place = column();
    std::string list = next("a transport (fake, unix, tcp)");
    for (auto part : std::views::split(list, ',')) {
      std::string_view word(part.begin(), part.end());
      auto kind = std::ranges::find(kTransportKinds, word, [](TransportKind k) { return to_text(k); });
      if (kind == std::end(kTransportKinds)) {
        if (!failed()) words_expected(word, place, {"fake", "unix", "tcp"});
        return kinds;
      }
      kinds.insert(*kind);
    }
  } while (peek() == "fake" || peek() == "unix" || peek() == "tcp");
  return kinds;
}

// ---- names ----------------------------------------------------------------------------------------------------------

std::string Cursor::new_name(NameKind kind) {
  int place = column();
  std::string text = next(fmt::format("a name for the {}", to_text(kind)));
  if (failed()) return text;
  if (!is_name(text)) {
    fail(place, fmt::format("{} is not a name: a letter, then letters, digits and '_', at most 32", quoted(text)));
  } else if (std::ranges::find(kReserved, text) != kReserved.end()) {
    fail(place, fmt::format("'{}' is a word of the language: take another name", text));
  } else if (auto known = names_.find(text); known != names_.end()) {
    bool renewed = kind == NameKind::value && known->second.kind == NameKind::value;
    if (!renewed) {
      fail(place, fmt::format("'{}' is a {} already (line {}): take another name", text, to_text(known->second.kind),
                              known->second.line));
    }
  } else {
    names_.emplace(text, Name{kind, line_});
  }
  return text;
}

std::string Cursor::name(NameKind kind) {
  int place = column();
  std::string text = next(fmt::format("the name of a {}", to_text(kind)));
  return failed() ? text : name_at(text, place, kind);
}

std::string Cursor::name_at(std::string text, int column, NameKind kind) {
  if (failed()) return text;
  auto known = names_.find(text);
  if (known != names_.end() && known->second.kind == kind) return text;
  if (known != names_.end()) {
    fail(column, fmt::format("'{}' is a {} (line {}), not a {}: {}", text, to_text(known->second.kind),
                             known->second.line, to_text(kind), shape_));
    return text;
  }
  if (kind == NameKind::caller) {  // a caller comes into being by being named
    if (!is_name(text) || std::ranges::find(kReserved, text) != kReserved.end()) {
      fail(column, fmt::format("{} is not the name of a caller: {}", quoted(text), shape_));
    } else {
      names_.emplace(text, Name{kind, line_});
    }
    return text;
  }
  std::vector<std::string_view> candidates;
  for (const auto& [name, entry] : names_) {
    if (entry.kind == kind) candidates.push_back(name);
  }
  std::string_view made_by = kind == NameKind::port       ? "'port NAME' or 'accept NAME from L' makes one"
                             : kind == NameKind::listener ? "'listener NAME' makes one"
                             : kind == NameKind::channel  ? "'channel NAME' makes one"
                                                          : "'let NAME = …' gives one a value";
  fail(column, fmt::format("there is no {} {} above this line: {}{}", to_text(kind), quoted(text), made_by,
                           did_you_mean(text, candidates)));
  return text;
}

std::vector<std::string> Cursor::callers() {
  int place = column();
  std::string list = next("the name of a caller");
  std::vector<std::string> names;
  for (auto part : std::views::split(list, ',')) {
    std::string name(std::string_view(part.begin(), part.end()));
    int at = place + static_cast<int>(part.begin() - list.begin());
    if (std::ranges::find(names, name) != names.end()) {
      fail(at, fmt::format("'{}' is named twice: a caller has one call at a time; repeat=N makes more", name));
    }
    names.push_back(name_at(name, at, NameKind::caller));
  }
  return names;
}

std::string Cursor::name_of(std::initializer_list<NameKind> kinds) {
  for (NameKind kind : kinds) {
    if (is(peek(), kind)) return name(kind);
  }
  return name(*kinds.begin());
}

bool Cursor::is(std::string_view name, NameKind kind) const {
  auto known = names_.find(name);
  return known != names_.end() && known->second.kind == kind;
}

Cursor::Keys Cursor::keys_of(std::string_view end) const {
  if (is(end, NameKind::channel)) return {channel_keys(), false};
  if (is(end, NameKind::listener)) return {{}, true};
  return {port_keys(), true};
}

std::vector<std::string_view> Cursor::Keys::all() const {
  std::vector<std::string_view> known = names_of(keys);
  if (options) known.insert(known.end(), option_names().begin(), option_names().end());
  return known;
}

// ---- key=value ------------------------------------------------------------------------------------------------------

std::optional<Setting> Cursor::setting() {
  if (end() || peek() == "->") return std::nullopt;
  const Word& word = words_[at_];
  if (word.text.starts_with("->")) {
    fail(word.column + 2, "a blank belongs behind '->'");
    return std::nullopt;
  }
  std::size_t sign = word.text.find_first_of("=!<>");
  if (sign == std::string::npos || sign == 0) return std::nullopt;
  using enum Relation;
  Setting setting{.key = word.text.substr(0, sign), .column = word.column};
  std::string_view rest = std::string_view(word.text).substr(sign);
  for (Relation relation : {at_least, at_most, unequal, equal, more, less}) {  // the longer ones first
    if (!rest.starts_with(to_text(relation))) continue;
    setting.relation = relation;
    setting.value = rest.substr(to_text(relation).size());
    setting.value_column = word.column + static_cast<int>(word.text.size() - setting.value.size());
    if (setting.value.empty()) {
      fail(setting.value_column, fmt::format("the value of {} is missing: blanks around '{}' are not allowed",
                                             quoted(setting.key), to_text(relation)));
    }
    ++at_;
    return setting;
  }
  return std::nullopt;
}

void Cursor::unknown(const Setting& setting, std::vector<std::string_view> keys) {
  words_expected(setting.key, setting.column, keys);
}

bool Cursor::yes_no(const Setting& setting, std::string_view yes, std::string_view no) {
  if (setting.relation != Relation::equal || (setting.value != yes && setting.value != no)) {
    fail(setting.value_column,
         fmt::format("{}: write {}={} or {}={}", quoted(setting.value), setting.key, yes, setting.key, no));
  }
  return setting.value == yes;
}

bool Cursor::option(const Setting& setting, std::vector<OptionWish>& into) {
  if (!option_name(setting.key)) return false;
  if (setting.relation != Relation::equal) {
    fail(setting.column, fmt::format("an option is set with '=': {}={}", setting.key, quoted(setting.value)));
  }
  OptionWish wish{.name = setting.key, .number = std::nullopt, .word = setting.value};
  if (!is_option_word(setting.value)) {
    wish.number = number_at(setting.value, setting.value_column);
  }
  into.push_back(std::move(wish));
  return true;
}

Comparison Cursor::comparison(const Setting& setting, const Keys& known) {
  Comparison result{.key = setting.key, .relation = setting.relation, .word = setting.value};
  auto key = std::ranges::find(known.keys, setting.key, &Key::name);
  if (key != known.keys.end()) {
    result.kind = key->kind;
  } else if (known.options && option_name(setting.key)) {
    result.kind = ValueKind::option;
  } else {
    unknown(setting, known.all());
    return result;
  }
  bool ordered = result.kind == ValueKind::number;
  switch (result.kind) {
    case ValueKind::number:
      result.number = number_at(setting.value, setting.value_column);
      break;
    case ValueKind::yes_no:
      yes_no(setting, "yes", "no");
      break;
    case ValueKind::time:
      result.time = time_at(setting.value, setting.value_column);
      break;
    case ValueKind::end:
      if (setting.value != "none" && setting.value != "fin" && setting.value != "reset")
        words_expected(setting.value, setting.value_column, {"none", "fin", "reset"});
      break;
    case ValueKind::result:
      if (std::ranges::find(result_words(), setting.value) == result_words().end())
        words_expected(setting.value, setting.value_column, {result_words().begin(), result_words().end()});
      break;
    case ValueKind::option: {
      std::vector<OptionWish> wishes;
      Setting as_set = setting;
      as_set.relation = Relation::equal;
      option(as_set, wishes);
      if (!wishes.empty()) result.number = wishes.front().number;
      ordered = result.number.has_value();
      break;
    }
  }
  if (!ordered && setting.relation != Relation::equal)
    fail(setting.column, fmt::format("{} is compared with '=' only", quoted(setting.key)));
  return result;
}

Comparison Cursor::comparison_of(const std::string& end, const Setting& setting) {
  return comparison(setting, keys_of(end));
}

std::string Cursor::key_of(const std::string& end) {
  int place = column();
  std::string key = next("what to read, for example q or high");
  Keys known = keys_of(end);
  bool there =
      std::ranges::find(known.keys, key, &Key::name) != known.keys.end() || (known.options && option_name(key));
  if (!failed() && !there) words_expected(key, place, known.all());
  return key;
}

}  // namespace tcpadvisor::port::script
