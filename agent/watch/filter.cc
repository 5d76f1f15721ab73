// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "advisor/base/did_you_mean.h"
#include "advisor/base/fields.h"
#include "advisor/base/text.h"
#include "advisor/evidence/tcp_state.h"

namespace tcpadvisor::watch {
namespace {

constexpr std::array<std::string_view, 8> kFilterFields = {"proc",  "port",  "state", "peer",
                                                           "group", "netns", "q",     "age"};

std::optional<Field> field_named(std::string_view name) {
  auto at = std::ranges::find(kFilterFields, name);
  return at == kFilterFields.end() ? std::nullopt : std::optional(static_cast<Field>(at - kFilterFields.begin()));
}

bool is_compared(Field field) {
  return field == Field::q || field == Field::age;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

/// "FIN-WAIT-1", "fin_wait_1" and "finwait1" are the same state.
std::string bare_state(std::string_view text) {
  std::string out = lower(text);
  std::erase_if(out, [](char c) { return c == '_' || c == '-'; });
  return out;
}

/// The states that begin so; only the one that is called so, if there is one: "close" is not "close-wait".
bool state_fits(std::string_view state, const std::string& wanted) {
  std::string bare = bare_state(state);
  bool is_whole = std::ranges::any_of(kStateNames, [&](std::string_view name) { return bare_state(name) == wanted; });
  return is_whole ? bare == wanted : bare.starts_with(wanted);
}

/// "10.0" is the beginning of 10.0.0.7:80, but not of 10.01.1.1: whole parts must be equal.
bool peer_fits(std::string_view peer, std::string_view wanted) {
  if (peer.starts_with('[')) peer.remove_prefix(1);
  if (!peer.starts_with(wanted)) return false;
  constexpr std::string_view kEnds = ".:]";
  return peer.size() == wanted.size() || kEnds.contains(peer[wanted.size()]) || kEnds.contains(wanted.back());
}

/// "nginx", or the number of a process: 812 is not 8123.
bool process_fits(std::string_view process, std::string_view wanted) {
  bool is_pid = number<std::uint32_t>(wanted).has_value();
  return is_pid ? process.contains(fmt::format("[{}]", wanted)) : contains_ignoring_case(process, wanted);
}

/// The word up to the next blank. A pattern may hold blanks: it ends at a slash before a blank, or at the end.
std::string_view next_term(std::string_view& text) {
  std::string_view rest = trimmed(text);
  if (!rest.starts_with('/')) {
    text = rest;
    return next_word(text);
  }
  std::size_t end = rest.find("/ ", 1);
  std::string_view term = rest.substr(0, end == rest.npos ? rest.size() : end + 1);
  text = rest.substr(term.size());
  return term;
}

bool is_all(std::string_view text, int (*kind)(int)) {
  return std::ranges::all_of(text, [kind](unsigned char c) { return kind(c) != 0; });
}

}  // namespace

std::string_view name_of(Field field) {
  return kFilterFields[static_cast<std::size_t>(field)];
}

bool contains_ignoring_case(std::string_view text, std::string_view part) {
  auto same = [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); };
  return !std::ranges::search(text, part, same).empty() || part.empty();
}

void Traits::add_port(const Endpoint& end) {
  if (end.port != 0) ports.push_back(end.port);
}

void Traits::add_peer(const Endpoint& end) {
  peers.push_back(end.text());
}

void Traits::add_group(const std::optional<OwnerGroup>& group) {
  if (!group) return;
  for (const std::string& text : {group_text(*group), group->id, group->pod}) {
    if (!text.empty()) groups.push_back(text);
  }
}

Filter::Filter(std::string_view text) {
  for (std::string_view word = next_term(text); !word.empty(); word = next_term(text)) add(word);
}

void Filter::complain(std::string what) {
  if (error_.empty()) error_ = std::move(what);
}

void Filter::add(std::string_view word) {
  if (word.starts_with('/')) return add_regex(word.substr(1));
  std::size_t end = 0;
  while (end < word.size() && std::isalpha(static_cast<unsigned char>(word[end])) != 0) ++end;
  std::string key = lower(word.substr(0, end));
  char sign = end < word.size() ? word[end] : '\0';
  bool asks = !key.empty() && (sign == ':' || sign == '<' || sign == '>' || sign == '=');
  bool is_address = sign == ':' && is_all(key, std::isxdigit);  // "fe:…": an IPv6 address
  std::optional<Field> field = field_named(key);
  if (!asks || (!field && is_address)) {
    terms_.push_back({.field = {}, .text = std::string(word), .regex = {}});
  } else if (!field) {
    complain(fmt::format("there is no '{}{}': {}: and q> age>{}", printable(key), sign,
                         "proc: port: state: peer: group: netns",
                         did_you_mean(key, {kFilterFields.begin(), kFilterFields.end()})));
  } else if (is_compared(*field)) {
    add_compared(*field, word, word.substr(end));
  } else if (sign != ':') {
    complain(fmt::format("{} takes a colon: {}:…", key, key));
  } else {
    add_keyed(*field, word, word.substr(end + 1));
  }
}

void Filter::add_regex(std::string_view pattern) {
  constexpr std::size_t kLongest = 200;
  if (pattern.empty() || !pattern.ends_with('/')) return complain("a regular expression ends with a slash: /…/");
  pattern.remove_suffix(1);
  if (pattern.empty()) return complain("the regular expression is empty: /…/");
  if (pattern.size() > kLongest)
    return complain(fmt::format("a regular expression has at most {} characters", kLongest));
  try {
    // __polynomial: no pattern takes exponential time, at the price of back-references.
    auto flags = std::regex::ECMAScript | std::regex::icase | std::regex::nosubs | std::regex_constants::__polynomial;
    auto regex = std::make_shared<const std::regex>(pattern.begin(), pattern.end(), flags);
    terms_.push_back({.field = {}, .text = {}, .regex = std::move(regex)});
  } catch (const std::regex_error& error) {
    std::string_view why = error.what();
    bool backwards = error.code() == std::regex_constants::error_complexity;
    complain(fmt::format("/{}/ is no regular expression: {}", printable(pattern),
                         backwards ? "\\1 is not known here" : printable(why.substr(0, why.find('.')))));
  }
}

void Filter::add_keyed(Field field, std::string_view word, std::string_view value) {
  Term term{.field = field, .text = std::string(value), .regex = {}};
  switch (field) {
    case Field::port:
      if (!number<std::uint16_t>(value)) return complain(fmt::format("'{}': a port is a number up to 65535", word));
      term.number = *number<std::uint16_t>(value);
      break;
    case Field::state:
      term.text = bare_state(value);
      if (term.text.empty() ||
          std::ranges::none_of(kStateNames, [&](auto name) { return state_fits(name, term.text); }))
        return complain(fmt::format("'{}': a state is one such as established, close-wait, syn-sent", word));
      break;
    case Field::peer:
      if (value.starts_with('[')) term.text = value.substr(1);
      if (term.text.empty()) return complain("peer: takes an address or its beginning: peer:10.0");
      break;
    case Field::proc:
      if (value.empty()) return complain("proc: takes a name or a pid: proc:nginx");
      break;
    default:
      if (value.empty()) return complain(fmt::format("{}: takes a part of its name", name_of(field)));
  }
  terms_.push_back(std::move(term));
}

void Filter::add_compared(Field field, std::string_view word, std::string_view rest) {
  static constexpr std::array<std::pair<std::string_view, Compare>, 5> kSigns = {{{"<=", Compare::less_or_equal},
                                                                                  {">=", Compare::greater_or_equal},
                                                                                  {"<", Compare::less},
                                                                                  {">", Compare::greater},
                                                                                  {"=", Compare::equal}}};
  auto sign = std::ranges::find_if(kSigns, [&](const auto& one) { return rest.starts_with(one.first); });
  std::string_view example = field == Field::q ? "q>64K" : "age>60s";
  std::string wrong = fmt::format("'{}': write it like {}", word, example);
  if (sign == kSigns.end()) return complain(std::move(wrong));
  std::string value(rest.substr(sign->first.size()));
  Term term{.field = field, .text = {}, .compare = sign->second, .regex = {}};
  if (field == Field::q) {
    bool small = !value.empty() && std::string_view("kmg").contains(value.back());
    if (small) value.back() = static_cast<char>(std::toupper(value.back()));
    auto size = parse_size(value);
    if (!size) return complain(std::move(wrong));
    term.number = *size;
  } else {
    auto age = parse_duration(value);
    if (!age) return complain(std::move(wrong));
    term.number = static_cast<std::uint64_t>(age->count());
  }
  terms_.push_back(std::move(term));
}

std::string Filter::problem(const Fields& known) const {
  if (!error_.empty()) return error_;
  for (const Term& term : terms_) {
    if (!term.field || std::ranges::find(known, *term.field) != known.end()) continue;
    return fmt::format("this list has no {}", name_of(*term.field));
  }
  return "";
}

bool Filter::fits(const Term& term, const Traits& traits) {
  if (!term.field) {
    if (!term.regex) return contains_ignoring_case(traits.words, term.text);
    try {
      return std::regex_search(traits.words, *term.regex);
    } catch (const std::regex_error&) {  // too hard for what it looks at
      return false;
    }
  }
  auto contain = [&](const std::string& value) { return contains_ignoring_case(value, term.text); };
  auto compare = [&](std::uint64_t value) {
    switch (term.compare) {
      case Compare::less:
        return value < term.number;
      case Compare::less_or_equal:
        return value <= term.number;
      case Compare::equal:
        return value == term.number;
      case Compare::greater_or_equal:
        return value >= term.number;
      case Compare::greater:
        break;
    }
    return value > term.number;
  };
  switch (*term.field) {
    case Field::proc:
      return std::ranges::any_of(traits.processes, [&](const auto& one) { return process_fits(one, term.text); });
    case Field::port:
      return std::ranges::find(traits.ports, term.number) != traits.ports.end();
    case Field::state:
      return std::ranges::any_of(traits.states, [&](const auto& one) { return state_fits(one, term.text); });
    case Field::peer:
      return std::ranges::any_of(traits.peers, [&](const auto& one) { return peer_fits(one, term.text); });
    case Field::group:
      return std::ranges::any_of(traits.groups, contain);
    case Field::netns:
      return std::ranges::any_of(traits.netns, contain);
    case Field::q:
      return compare(traits.queued);
    case Field::age:
      break;
  }
  return traits.age_ms && compare(*traits.age_ms);
}

bool Filter::matches(const Traits& traits, const Fields& known) const {
  return std::ranges::all_of(terms_, [&](const Term& term) {
    return (term.field && std::ranges::find(known, *term.field) == known.end()) || fits(term, traits);
  });
}

}  // namespace tcpadvisor::watch
