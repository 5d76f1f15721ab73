// SPDX-License-Identifier: Apache-2.0
// Members of a JSON object that somebody else wrote: nothing of it is believed to be there. Pure.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "advisor/base/text.h"

namespace tcpadvisor::json_read {

using nlohmann::json;

/// Discarded (is_discarded()) if it is no JSON.
inline json parsed(std::string_view document) {
  return json::parse(document, nullptr, false);
}

/// Empty if it is not there, or no text.
inline std::string text(const json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// The same, with nothing in it that a terminal obeys.
inline std::string shown(const json& object, const char* key) {
  return printable(text(object, key));
}

inline std::optional<double> number(const json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
}

inline std::uint64_t whole(const json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

/// An empty array if it is not there.
inline const json& list(const json& object, const char* key) {
  static const json kNone = json::array();
  auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : kNone;
}

/// An empty object if it is not there.
inline const json& object(const json& outer, const char* key) {
  static const json kNone = json::object();
  auto found = outer.find(key);
  return found != outer.end() && found->is_object() ? *found : kNone;
}

}  // namespace tcpadvisor::json_read
