// SPDX-License-Identifier: Apache-2.0
// What `explain` says about one rule, setting or number, made once; forms.h writes it down. Pure data.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/base/result.h"
#include "advisor/rules/policy.h"

namespace tcpadvisor::explain {

enum class Kind : std::uint8_t {
  rule,
  setting,  ///< a sysctl
  state,    ///< of a connection
  option,   ///< of a socket
  call,     ///< of a program
  metric,   ///< a number in the evidence of findings
  value,    ///< a number that programs read
};
std::string_view name_of(Kind kind);

struct Part {
  std::string heading;  ///< empty: what it means
  std::vector<std::string> lines;
};

struct Article {
  Kind kind = Kind::rule;
  std::string name;
  std::string group;         ///< under which heading a list has it
  std::string title;         ///< one line
  std::string aliases = {};  ///< what else it goes by, with blanks between
  std::vector<Part> parts = {};
};

/// A value that programs read, as agent/export describes it.
struct Exported {
  std::string path, type, unit, help;
};

/// All of them: rules in the order of reports, settings, metrics, values. Thresholds are those of `policy`.
std::vector<Article> articles(const Policy& policy, std::span<const Exported> exported);

/// Those that go by that name, which may be short: "tcp_rmem", "net/ipv4/tcp_rmem", "tcp_rmem[2]", "send_q",
/// "closewait", "nodelay", "ESTAB". There may be several, of different kinds. Nothing goes by it: bad_input, with what
/// was meant perhaps.
Result<std::vector<Article>> articles_named(std::string_view name, const std::vector<Article>& all);

/// "net.ipv4.tcp_rmem" -> "tcp_rmem"
std::string_view last_part(std::string_view path);

}  // namespace tcpadvisor::explain
