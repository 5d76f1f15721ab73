// SPDX-License-Identifier: Apache-2.0
// From tables of values to metrics: the same rows, in base units. For the files that have such tables.
#pragma once

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "agent/export/families.h"
#include "agent/export/value.h"

namespace tcpadvisor::exported {

/// What the numbers of a table's unit become.
struct BaseUnit {
  std::string_view unit, base;
  double divisor;  ///< of a number in `unit`
};
inline constexpr std::array kBaseUnits = {BaseUnit{"", "", 1},
                                          BaseUnit{"bytes", "bytes", 1},
                                          BaseUnit{"s", "seconds", 1},
                                          BaseUnit{"ms", "seconds", 1e3},
                                          BaseUnit{"us", "seconds", 1e6},
                                          BaseUnit{"percent", "ratio", 1e2},
                                          BaseUnit{"ratio", "ratio", 1},
                                          BaseUnit{"ns_per_s", "ratio", 1e9}};
inline constexpr std::string_view kPages = "pages";  ///< become bytes

inline BaseUnit base_unit_of(std::string_view unit, double page_bytes) {
  if (unit == kPages) return {unit, "bytes", 1 / page_bytes};
  const BaseUnit* found = std::ranges::find(kBaseUnits, unit, &BaseUnit::unit);
  return found != kBaseUnits.end() ? *found : kBaseUnits.front();
}

/// The family of a row of values; `labels` are those of its subjects.
template <typename Subject>
Family& family_of(Families& all, const Value<Subject>& value, std::array<std::string_view, 3> labels) {
  const MetricName& name = value.as_metric;
  return all.family({.name = name.name,
                     .type = value.type == ValueType::counter ? MetricType::counter : MetricType::gauge,
                     .unit = base_unit_of(value.unit, 1).base,
                     .labels = {labels[0], labels[1], labels[2], name.label},
                     .help = name.help.empty() ? value.help : name.help});
}

/// A number, or 0 and 1 of a truth; nothing if it is not known.
inline std::optional<double> number_of(const nlohmann::json& value) {
  if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
  if (!value.is_number()) return std::nullopt;
  return value.get<double>();
}

enum class Merge { add, largest };

/// Adds what the rows of a table with a metric's name say of `subject` under `names` (its labels).
template <typename Subject, std::size_t Count>
void add_value_points(Families& all, const Value<Subject> (&values)[Count], std::array<std::string_view, 3> labels,
                      const Subject* subject, Labels names = {}, double page_bytes = 1, Merge merge = Merge::add) {
  for (const Value<Subject>& value : values) {
    if (value.as_metric.name.empty()) continue;
    Family& family = family_of(all, value, labels);
    if (subject == nullptr) continue;
    std::optional<double> number = number_of(value.read(*subject));
    if (!number) continue;
    Labels own = names;
    if (!value.as_metric.label.empty()) own.emplace_back(value.as_metric.label_value);
    const double in_base = *number / base_unit_of(value.unit, page_bytes).divisor;
    if (merge == Merge::largest) {
      family.raise(own, in_base);
    } else {
      family.add(own, in_base);
    }
  }
}

}  // namespace tcpadvisor::exported
