// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/net_counters.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "advisor/base/fields.h"
#include "advisor/base/text.h"

namespace tcpadvisor::sources {
namespace {

constexpr std::array<std::string_view, 5> kGroups = {"Ip:", "IpExt:", "Icmp:", "Tcp:", "TcpExt:"};

std::unexpected<Error> bad_line(std::string_view file, std::size_t line, std::string_view what) {
  return fail(ErrorCode::failed, fmt::format("{}:{}: {}", file, line, what));
}

/// One pair of lines, both without the group's name.
Status add_pair(std::string_view group, std::string_view names, std::string_view values, std::string_view file,
                std::size_t line, Counters& into) {
  std::string key(group.substr(0, group.size() - 1));
  key += '.';
  std::size_t prefix = key.size();
  while (true) {
    std::string_view name = next_word(names);
    std::string_view value = next_word(values);
    if (name.empty() && value.empty()) return {};
    if (name.empty() || value.empty()) return bad_line(file, line, "not as many values as names in the line above");
    key.resize(prefix);
    key += name;
    if (auto counted = number<std::uint64_t>(value)) {
      into[key] = *counted;
    } else if (!number<std::int64_t>(value)) {
      return bad_line(file, line,
                      fmt::format("'{}' is not the number that {} should be", printable(value), printable(key)));
    }
  }
}

/// "TCP: inuse 1 orphan 0" -> calls set("inuse", 1) …
template <typename Set>
Status each_pair(std::string_view rest, std::string_view file, std::size_t line, const Set& set) {
  while (true) {
    std::string_view name = next_word(rest);
    if (name.empty()) return {};
    std::string_view value = next_word(rest);
    auto parsed = number<std::uint64_t>(value);
    if (!parsed)
      return bad_line(file, line,
                      fmt::format("'{}' is not the number that {} should be", printable(value), printable(name)));
    set(name, *parsed);
  }
}

Status read_sockstat_group(std::string_view text, std::string_view file, std::string_view group, bool must,
                           const std::function<void(std::string_view, std::uint64_t)>& set) {
  std::size_t number_of_line = 0;
  while (auto line = next_line(text)) {
    ++number_of_line;
    if (next_word(*line) == group) return each_pair(*line, file, number_of_line, set);
  }
  if (must) return bad_line(file, number_of_line, fmt::format("no line starts with {}", group));
  return {};
}

}  // namespace

Status parse_counters(std::string_view text, std::string_view file, Counters& into) {
  std::size_t line_number = 0;
  while (auto names = next_line(text)) {
    ++line_number;
    std::string_view group = next_word(*names);
    if (group.empty()) continue;
    auto values = next_line(text);
    ++line_number;
    if (!values)
      return bad_line(file, line_number, fmt::format("the line of values for {} is missing", printable(group)));
    if (next_word(*values) != group) {
      return bad_line(file, line_number, fmt::format("should start with {}", printable(group)));
    }
    if (std::ranges::find(kGroups, group) == kGroups.end()) continue;
    if (auto status = add_pair(group, *names, *values, file, line_number, into); !status) return status;
  }
  if (line_number == 0) return bad_line(file, 1, "empty");
  return {};
}

Result<Sockstat> parse_sockstat(std::string_view sockstat, std::string_view sockstat6) {
  Sockstat parsed;
  auto set = [&](std::string_view name, std::uint64_t value) {
    if (name == "inuse") parsed.tcp_inuse += value;
    if (name == "orphan") parsed.orphan = value;
    if (name == "tw") parsed.tw = value;
    if (name == "alloc") parsed.alloc = value;
    if (name == "mem") parsed.mem_pages = value;
  };
  if (auto status = read_sockstat_group(sockstat, "sockstat", "TCP:", true, set); !status) {
    return std::unexpected(status.error());
  }
  if (auto status = read_sockstat_group(sockstat6, "sockstat6", "TCP6:", false, set); !status) {
    return std::unexpected(status.error());
  }
  return parsed;
}

Result<TcpProtocol> parse_protocols(std::string_view text) {
  auto heading = next_line(text);
  if (!heading) return bad_line("protocols", 1, "empty");
  int memory_at = -1, pressure_at = -1;
  std::string_view rest = *heading;
  for (int column = 0;; ++column) {
    std::string_view word = next_word(rest);
    if (word.empty()) break;
    if (word == "memory") memory_at = column;
    if (word == "press") pressure_at = column;
  }
  if (memory_at < 0 || pressure_at < 0) return bad_line("protocols", 1, "no columns 'memory' and 'press'");
  for (std::size_t line_number = 2; auto line = next_line(text); ++line_number) {
    if (next_word(*line) != "TCP") continue;
    TcpProtocol parsed;
    for (int column = 1; column <= std::max(memory_at, pressure_at); ++column) {
      std::string_view word = next_word(*line);
      if (word.empty()) return bad_line("protocols", line_number, "the line TCP is cut short");
      if (column == memory_at) {
        auto pages = number<std::int64_t>(word);
        if (!pages)
          return bad_line("protocols", line_number, fmt::format("'{}' is not a number of pages", printable(word)));
        if (*pages >= 0) parsed.memory_pages = static_cast<std::uint64_t>(*pages);  // -1: the protocol does not account
      }
      if (column == pressure_at && word != "NI") {
        if (word != "yes" && word != "no")
          return bad_line("protocols", line_number, "column 'press' is neither yes nor no");
        parsed.under_pressure = word == "yes";
      }
    }
    return parsed;
  }
  return bad_line("protocols", 2, "no line TCP");
}

NetFiles read_net_files(const os::ProcRoot& root, std::string_view net_dir) {
  NetFiles files;
  auto text_of = [&](std::string_view name) { return root.read(fmt::format("{}/{}", net_dir, name)); };
  for (std::string_view name : {"netstat", "snmp"}) {
    auto text = text_of(name);
    Counters counters;  // a half-read file must not look like one that has few counters
    auto status = text ? parse_counters(*text, fmt::format("{}/{}", net_dir, name), counters)
                       : Status(std::unexpected(text.error()));
    if (status) {
      files.counters.merge(counters);
    } else {
      files.errors.push_back(status.error());
    }
  }
  if (auto text = text_of("sockstat")) {
    auto text6 = text_of("sockstat6");
    auto parsed = parse_sockstat(*text, text6 ? *text6 : "");
    if (parsed) files.sockstat = *parsed;
    if (!parsed) files.errors.push_back(parsed.error());
  } else {
    files.errors.push_back(text.error());
  }
  auto text = text_of("protocols");
  auto parsed = text ? parse_protocols(*text) : Result<TcpProtocol>(std::unexpected(text.error()));
  if (parsed) files.protocol = *parsed;
  if (!parsed) files.errors.push_back(parsed.error());
  return files;
}

}  // namespace tcpadvisor::sources
