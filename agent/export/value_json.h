// SPDX-License-Identifier: Apache-2.0
// From tables of values to JSON and to descriptions. For the files that have such tables.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>

#include "advisor/report/finding_json.h"
#include "agent/export/value.h"

namespace tcpadvisor::exported {

/// For a reader: this object does not have the key.
inline nlohmann::json absent() {
  return nlohmann::json::value_t::discarded;
}

template <typename T>
nlohmann::json or_null(const std::optional<T>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

template <typename Subject, std::size_t Count>
void add_values(nlohmann::json& object, const Value<Subject> (&values)[Count], const Subject& subject) {
  for (const Value<Subject>& value : values) {
    nlohmann::json what = value.read(subject);
    if (!what.is_discarded()) object[std::string(value.name)] = std::move(what);
  }
}

template <typename Subject, std::size_t Count>
nlohmann::json object_of(const Value<Subject> (&values)[Count], const Subject& subject) {
  nlohmann::json object = nlohmann::json::object();
  add_values(object, values, subject);
  return object;
}

/// Where a process or socket belongs; null if its cgroup is not known.
inline nlohmann::json group_or_null(const std::optional<OwnerGroup>& group) {
  return group ? to_json(*group) : nlohmann::json();
}
inline constexpr std::string_view kPidInsideHelp =
    "that process's number in its own pid namespace; null if that is the agent's";
inline constexpr std::string_view kGroupHelp =
    "the unit, container, pod, user or cgroup it belongs to: kind, name, id, pod";

/// Text from outside may hold any bytes; a line of JSON never fails because of them.
inline std::string one_line(const nlohmann::json& object) {
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

template <typename Subject, std::size_t Count>
void add_descriptions(std::vector<Description>& all, std::string_view prefix, const Value<Subject> (&values)[Count]) {
  for (const Value<Subject>& value : values) {
    all.push_back(
        {std::string(prefix) + std::string(value.name), value.type, std::string(value.unit), std::string(value.help)});
  }
}

}  // namespace tcpadvisor::exported
