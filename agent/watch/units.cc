// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "advisor/base/text.h"

namespace tcpadvisor::watch {

std::string queue_text(std::uint64_t bytes) {
  return bytes < 1'000'000 ? with_commas(bytes) : human_bytes(bytes);
}

std::string age_text(std::uint64_t ms) {
  return human_duration(std::chrono::milliseconds(ms));
}

std::string age_text(const Age& age) {
  if (age.value.count() == 0 && age.lower_bound) return "-";
  return (age.lower_bound ? ">" : "") + human_duration(age.value);
}

std::string change_text(double per_second) {
  double size = std::abs(per_second);
  if (size < 0.05) return {};
  if (size < 10) return fmt::format("{:+.1f}/s", per_second);
  if (size < 1'000) return fmt::format("{:+.0f}/s", per_second);
  return size < 1e6 ? fmt::format("{:+.0f}k/s", per_second / 1e3) : fmt::format("{:+.0f}M/s", per_second / 1e6);
}

std::string rate_text(std::optional<double> bytes_per_second) {
  if (!bytes_per_second) return "-";
  static constexpr std::array<std::string_view, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = std::max(*bytes_per_second, 0.0);
  std::size_t unit = 0;
  for (; value >= 1023.5 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return unit == 0 || value >= 99.95 ? fmt::format("{:.0f} {}", value, kUnits[unit])
                                     : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string count_or_dash(std::optional<std::uint64_t> value) {
  return value ? with_commas(*value) : "-";
}

}  // namespace tcpadvisor::watch
