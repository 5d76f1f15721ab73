// SPDX-License-Identifier: Apache-2.0
#include "advisor/whatif/question.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <utility>

#include "advisor/base/did_you_mean.h"
#include "advisor/base/fields.h"
#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/whatif/folk.h"

namespace tcpadvisor::whatif {
namespace {

constexpr std::uint64_t kMostSockets = 1ull << 32;  // more than any host can have: a slip
constexpr std::uint64_t kMostBacklog = 0x7fff'ffff;
constexpr double kMostRate = 1e13 / 8, kMostRttUs = 600e6;

std::string_view last_part(std::string_view name) {
  return name.substr(name.rfind('.') + 1);
}

const Knob* knob_named(std::string name) {
  std::ranges::replace(name, '/', '.');
  for (const Knob& knob : knobs()) {
    if (knob.name == name || last_part(knob.name) == name) return &knob;
  }
  return nullptr;
}

Result<std::uint64_t> count_in(std::string_view name, std::string_view text, std::uint64_t most) {
  std::string digits(text);
  std::erase_if(digits, [](char c) { return c == '_' || c == ','; });
  std::uint64_t times = 1;
  if (!digits.empty() && (digits.back() == 'k' || digits.back() == 'K')) times = 1'000;
  if (!digits.empty() && digits.back() == 'M') times = 1'000'000;
  if (times > 1) digits.pop_back();
  auto value = number<std::uint64_t>(digits);
  const std::uint64_t count = value ? mul_sat(*value, times) : 0;
  if (count == 0 || count > most) {
    return fail(ErrorCode::bad_input, fmt::format("{}={}: a number from 1 to {} is meant, as 10000 or 750k", name,
                                                  printable(text), with_commas(most)));
  }
  return count;
}

/// A number and the letters behind it.
std::optional<std::pair<double, std::string_view>> with_unit(std::string_view text) {
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || !std::isfinite(value) || !(value > 0)) return std::nullopt;
  return std::pair(value, text.substr(static_cast<std::size_t>(end - text.data())));
}

Result<double> rate_in(std::string_view text) {
  auto parts = with_unit(text);
  const std::string_view unit = parts ? parts->second.substr(0, parts->second.find("/s")) : "";
  double bits = 0;
  if (unit == "bit") bits = 1;
  if (unit == "kbit" || unit == "Kbit") bits = 1e3;
  if (unit == "Mbit") bits = 1e6;
  if (unit == "Gbit") bits = 1e9;
  const double rate = parts ? parts->first * bits / 8 : 0;
  if (!(rate > 0) || rate > kMostRate) {
    return fail(ErrorCode::bad_input,
                fmt::format("rate={}: bits a second are meant, as 400Mbit or 2Gbit, up to 10000Gbit", printable(text)));
  }
  return rate;
}

Result<double> rtt_in(std::string_view text) {
  auto parts = with_unit(text);
  const std::string_view unit = parts ? parts->second : "";
  const double us = parts ? parts->first * (unit == "us" ? 1 : unit == "ms" ? 1e3 : unit == "s" ? 1e6 : 0) : 0;
  if (!(us > 0) || us > kMostRttUs) {
    return fail(ErrorCode::bad_input,
                fmt::format("rtt={}: a round trip is meant, as 200us, 10ms or 1s, up to 600s", printable(text)));
  }
  return us;
}

/// True: it is a load, and is in `load` now.
Result<bool> take_load(std::string_view name, std::string_view text, Load& load) {
  if (name == "rate" || name == "rtt") {
    Result<double> value = name == "rate" ? rate_in(text) : rtt_in(text);
    if (!value) return std::unexpected(value.error());
    (name == "rate" ? load.rate : load.rtt_us) = *value;
    return true;
  }
  struct Row {
    std::string_view name;
    std::optional<std::uint64_t> Load::* member;
    std::uint64_t most;
  };
  constexpr Row kRows[] = {{"connections", &Load::connections, kMostSockets},
                           {"busy", &Load::busy, kMostSockets},
                           {"burst", &Load::burst, kMostSockets},
                           {"backlog", &Load::backlog, kMostBacklog}};
  for (const Row& row : kRows) {
    if (row.name != name) continue;
    Result<std::uint64_t> value = count_in(name, text, row.most);
    if (!value) return std::unexpected(value.error());
    load.*row.member = *value;
    return true;
  }
  return false;
}

Result<std::int64_t> value_in(const Knob& knob, std::string_view text, const std::string& typed) {
  std::optional<std::int64_t> value = number<std::int64_t>(text);
  if (!value && knob.unit == "bytes") {
    if (Result<std::uint64_t> size = parse_size(text); size && *size <= INT64_MAX)
      value = static_cast<std::int64_t>(*size);
  }
  if (!value) {
    return fail(ErrorCode::bad_input,
                fmt::format("{}: '{}' is no value of {}: {} is meant", printable(typed), printable(text), knob.name,
                            knob.unit == "bytes" ? "a size as 4096 or 8M" : "a whole number"));
  }
  if (*value < knob.least || *value > knob.most) {
    return fail(ErrorCode::bad_input, fmt::format("{}: {} takes {} to {}{}{}", printable(typed), knob.name, knob.least,
                                                  knob.most, knob.unit.empty() ? "" : " ", knob.unit));
  }
  return *value;
}

/// "4096 131072 8M", "4096,131072,8M"; of a range also "15000-60999".
std::vector<std::string> parts_of(const Knob& knob, std::string text) {
  for (char& c : text) {
    if (c == ',' || (c == '-' && knob.name.ends_with("_range"))) c = ' ';
  }
  std::vector<std::string> out;
  std::string_view rest = text;
  for (std::string_view word = next_word(rest); !word.empty(); word = next_word(rest)) out.emplace_back(word);
  return out;
}

Status take_values(const Knob& knob, std::optional<std::size_t> place, const std::string& text, Asked& out) {
  const std::size_t places = places_of(knob);
  if (place && (*place >= places || places == 1)) {
    return fail(ErrorCode::bad_input, fmt::format("{}: {} has {}", printable(out.text), knob.name,
                                                  places <= 1 ? "one value, without [ ]"
                                                              : fmt::format("the values [0] to [{}]", places - 1)));
  }
  if (places == 0) {
    if (text.empty()) return fail(ErrorCode::bad_input, fmt::format("{}: it has no value", printable(out.text)));
    out.words = text;
    return {};
  }
  const std::vector<std::string> parts = parts_of(knob, text);
  if (parts.size() != (place ? 1 : places)) {
    return fail(ErrorCode::bad_input,
                fmt::format("{}: {} takes {}{}", printable(out.text), knob.name,
                            place || places == 1 ? std::string("one value here") : fmt::format("{} values", places),
                            places > 1 && !place ? fmt::format(", with commas between; {}[{}]=… for the last one alone",
                                                               last_part(knob.name), places - 1)
                                                 : ""));
  }
  out.values.resize(places);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    Result<std::int64_t> value = value_in(knob, parts[i], out.text);
    if (!value) return std::unexpected(value.error());
    out.values[place.value_or(i)] = *value;
  }
  if (knob.name.ends_with("_range") && !place && *out.values[0] > *out.values[1])
    return fail(ErrorCode::bad_input, fmt::format("{}: the first port is above the last", printable(out.text)));
  return {};
}

Error unknown(const std::string& name) {
  std::vector<std::string_view> known{"connections", "busy", "burst", "backlog", "rate", "rtt"};
  for (const Knob& knob : knobs()) {
    known.push_back(knob.name);
    known.push_back(last_part(knob.name));
  }
  std::string guess = did_you_mean(name, known);
  return {ErrorCode::bad_input,
          fmt::format("there is no setting or load '{}'{}", printable(name),
                      guess.empty() ? "; tcpadvisor knobs lists the settings, whatif --help the loads" : guess),
          0};
}

Result<Asked> asked_in(const std::string& typed, std::string name, const std::string& text) {
  Asked out;
  out.text = typed;
  std::optional<std::size_t> place;
  if (name.size() > 3 && name.ends_with(']') && name[name.size() - 3] == '[') {
    place = number<std::size_t>(std::string_view(name).substr(name.size() - 2, 1));
    if (!place) return std::unexpected(unknown(name));
    name.resize(name.size() - 3);
  }
  out.knob = knob_named(name);
  if (out.knob == nullptr) {
    out.why_none = why_no_sysctl(name);
    if (out.why_none.empty()) return std::unexpected(unknown(name));
    return out;
  }
  if (out.knob->name.ends_with("tcp_available_congestion_control"))
    return fail(ErrorCode::bad_input,
                fmt::format("{}: it can only be read; ask for tcp_congestion_control", printable(typed)));
  if (Status status = take_values(*out.knob, place, text, out); !status) return std::unexpected(status.error());
  return out;
}

}  // namespace

std::size_t places_of(const Knob& knob) {
  if (knob.least == 0 && knob.most == 0) return 0;
  const std::string_view name = last_part(knob.name);
  if (name == "tcp_rmem" || name == "tcp_wmem" || name == "tcp_mem") return 3;
  return name == "ip_local_port_range" ? 2 : 1;
}

Result<Question> parse_question(const std::vector<std::string>& words) {
  Question out;
  std::set<std::string> seen;
  for (const std::string& typed : words) {
    const std::size_t sign = typed.find('=');
    if (sign == 0 || sign == typed.npos) {
      return fail(ErrorCode::bad_input,
                  fmt::format("'{}' is not KNOB=VALUE: write for example tcp_rmem[2]=8M or connections=750000",
                              printable(typed)));
    }
    const std::string name = typed.substr(0, sign), text = typed.substr(sign + 1);
    Result<bool> load = take_load(name, text, out.load);
    if (!load) return std::unexpected(load.error());
    std::string key = name;
    if (!*load) {
      Result<Asked> one = asked_in(typed, name, text);
      if (!one) return std::unexpected(one.error());
      if (one->knob != nullptr)
        key = std::string(one->knob->name) + (name.ends_with(']') ? name.substr(name.size() - 3) : "");
      out.knobs.push_back(std::move(*one));
    }
    if (!seen.insert(key).second) return fail(ErrorCode::bad_input, fmt::format("'{}' is asked twice", printable(key)));
  }
  if (out.load.rate.has_value() != out.load.rtt_us.has_value()) {
    return fail(ErrorCode::bad_input, fmt::format("{} needs {} beside it: what a flow needs is rate x round trip",
                                                  out.load.rate ? "rate" : "rtt", out.load.rate ? "rtt" : "rate"));
  }
  if (out.knobs.empty() && seen.empty()) return fail(ErrorCode::bad_input, "nothing is asked: write KNOB=VALUE");
  return out;
}

}  // namespace tcpadvisor::whatif
