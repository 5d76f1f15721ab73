// SPDX-License-Identifier: Apache-2.0
// What programs may read: each value is one row {name, type, unit, help, read} of a table. `watch --json` is made from
// the tables, and so are the metrics. Pure.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace tcpadvisor::exported {

enum class ValueType : std::uint8_t {
  gauge,    ///< a number that goes up and down
  counter,  ///< a number that only grows while what it belongs to exists
  text,
  truth,  ///< true or false
  list,   ///< of objects, or an object whose keys are not known beforehand
};

/// What a value is called among the metrics (agent/export/metrics.h). One without a name is none of them: it says
/// nothing about more than one process or connection.
struct MetricName {
  /// Without "tcpadvisor_", with the base unit at its end ("_bytes", "_seconds", "_ratio", "_total"). Values of one
  /// table may share a name; then the label tells them apart.
  std::string_view name{};
  std::string_view label{}, label_value{};
  std::string_view help{};  ///< of values that share a name; empty: that of the value
};

constexpr MetricName metric(std::string_view name, std::string_view label = {}, std::string_view label_value = {},
                            std::string_view help = {}) {
  return {name, label, label_value, help};
}

template <typename Subject>
struct Value {
  std::string_view name;  ///< the key in JSON; a number's unit is in it
  ValueType type;
  std::string_view
      unit;  ///< of a number: "bytes", "ms", "us", "s", "pages", "percent", "per_s" …; "": it counts things
  std::string_view help;  ///< one line
  /// null: not known here; absent(): the key is left out.
  nlohmann::json (*read)(const Subject& subject);
  MetricName as_metric{};
};

/// A row without its reader: what there is, for documents and for whoever must say it in advance.
struct Description {
  std::string path;  ///< "self.rss_bytes", "connections[].send_q"
  ValueType type;
  std::string unit, help;
};

/// Of all values of a tick, in the order in which the tables have them.
std::vector<Description> describe_values();

}  // namespace tcpadvisor::exported
