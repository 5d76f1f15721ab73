// SPDX-License-Identifier: Apache-2.0
// What programs may read: each value is one row {name, type, unit, help, read} of a table. `watch --json` is made from
// the tables; so will be everything else that tells values to programs. Pure.
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

template <typename Subject>
struct Value {
  std::string_view name;  ///< the key in JSON; a number's unit is in it
  ValueType type;
  std::string_view
      unit;  ///< of a number: "bytes", "ms", "us", "s", "pages", "percent", "per_s" …; "": it counts things
  std::string_view help;  ///< one line
  /// null: not known here; absent(): the key is left out.
  nlohmann::json (*read)(const Subject& subject);
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
