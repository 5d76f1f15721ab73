// SPDX-License-Identifier: Apache-2.0
// Prometheus' web-config file (github.com/prometheus/exporter-toolkit, docs/web-configuration.md): who may ask, and by
// which certificate we are known. Read by libyaml's event parser: small, in C, with lines and columns, and it builds
// nothing by itself, so that an alias of an alias cannot grow. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "advisor/base/result.h"

namespace tcpadvisor::serve {

struct WebConfig {
  bool tls = false;
  std::string cert_file, key_file;  ///< as written: relative to the directory of the web-config file
  bool only_tls13 = false;          ///< else 1.2 too
  std::map<std::string, std::string, std::less<>> users;  ///< name -> bcrypt hash
};

/// 2^cost rounds for a password; more than 14 takes a second or longer, which anybody could make us spend.
inline constexpr unsigned kLeastCost = 4, kMostCost = 14;

/// `origin`: the file's name for errors, which are bad_input, one line with line and column. An empty file is an empty
/// configuration. Options of the format that are not offered here are errors: they would protect less than they say.
Result<WebConfig> parse_web_config(std::string_view text, std::string_view origin);

/// "$2y$10$" and 53 characters -> 10. bad_input with what would be right.
Result<unsigned> cost_of(std::string_view hash);

}  // namespace tcpadvisor::serve
