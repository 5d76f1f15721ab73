// SPDX-License-Identifier: Apache-2.0
#include "advisor/base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "advisor/base/utf8.h"

namespace tcpadvisor {
namespace {

using std::chrono::milliseconds;

struct NumberAndUnit {
  std::uint64_t number;
  std::string_view unit;
};

/// Splits "64KiB" into 64 and "KiB"; nullopt-like failure is an Error that quotes the whole text.
Result<NumberAndUnit> split_unit(std::string_view text, std::string_view wanted) {
  std::uint64_t number = 0;
  const char* end = text.data() + text.size();
  auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || rest == text.data()) {
    return fail(ErrorCode::bad_input, fmt::format("'{}' is not {}", printable(text), wanted));
  }
  return NumberAndUnit{number, std::string_view(rest, static_cast<std::size_t>(end - rest))};
}

/// Control characters, and format characters that turn, hide or break text around them (Unicode TR 36):
/// a name must not look like another one.
bool misleads(char32_t c) {
  struct Range {
    char32_t first, last;
  };
  static constexpr std::array<Range, 12> kRanges = {{{0x00, 0x1f},
                                                     {0x7f, 0x9f},  // C1, too, moves terminals
                                                     {0xad, 0xad},
                                                     {0x61c, 0x61c},
                                                     {0x180e, 0x180e},
                                                     {0x200b, 0x200b},
                                                     {0x200e, 0x200f},
                                                     {0x2028, 0x202e},
                                                     {0x2060, 0x206f},
                                                     {0xfeff, 0xfeff},
                                                     {0xfff9, 0xfffb},
                                                     {0xe0000, 0xe007f}}};
  return std::ranges::any_of(kRanges, [c](const Range& range) { return c >= range.first && c <= range.last; });
}

}  // namespace

std::string with_commas(std::uint64_t value) {
  std::string digits = std::to_string(value);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) digits.insert(static_cast<std::size_t>(at), ",");
  return digits;
}

std::string human_bytes(std::uint64_t bytes) {
  static constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  double value = static_cast<double>(bytes);
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  bool whole = unit == 0 || value >= 100 || value == static_cast<double>(static_cast<std::uint64_t>(value));
  return whole ? fmt::format("{:.0f} {}", value, kUnits[unit]) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string human_duration(milliseconds duration) {
  auto ms = duration.count();
  if (ms < 0) return "-" + human_duration(milliseconds(-std::max(ms, -milliseconds::max().count())));
  if (ms == 0) return "0 s";
  if (ms < 1000) return fmt::format("{} ms", ms);
  if (ms < 10'000 && ms % 1000 != 0) return fmt::format("{:.1f} s", static_cast<double>(ms) / 1000);
  auto s = ms / 1000;
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return s % 60 ? fmt::format("{}m {}s", s / 60, s % 60) : fmt::format("{}m", s / 60);
  if (s < 86400) return s % 3600 / 60 ? fmt::format("{}h {}m", s / 3600, s % 3600 / 60) : fmt::format("{}h", s / 3600);
  return s % 86400 / 3600 ? fmt::format("{}d {}h", s / 86400, s % 86400 / 3600) : fmt::format("{}d", s / 86400);
}

Result<milliseconds> parse_duration(std::string_view text) {
  static constexpr std::string_view kWanted = "a duration: write a number and ms, s, m or h, for example 500ms or 8s";
  auto parts = split_unit(text, kWanted);
  if (!parts) return std::unexpected(parts.error());
  std::uint64_t factor = parts->unit == "ms"  ? 1
                         : parts->unit == "s" ? 1000
                         : parts->unit == "m" ? 60'000
                         : parts->unit == "h" ? 3'600'000
                                              : 0;
  static constexpr std::uint64_t kMaxMs = 365ull * 86400 * 1000;
  if (factor == 0) return fail(ErrorCode::bad_input, fmt::format("'{}' is not {}", printable(text), kWanted));
  if (parts->number == 0 || parts->number > kMaxMs / factor) {
    return fail(ErrorCode::bad_input,
                fmt::format("'{}' is out of range: more than 0, at most 365 days", printable(text)));
  }
  return milliseconds(parts->number * factor);
}

Result<std::uint64_t> parse_size(std::string_view text) {
  static constexpr std::string_view kWanted = "a size: write bytes, or a number and K, M, G, KiB, MiB or GiB";
  auto parts = split_unit(text, kWanted);
  if (!parts) return std::unexpected(parts.error());
  std::string_view unit = parts->unit;
  int shift = unit.empty() || unit == "B"    ? 0
              : unit == "K" || unit == "KiB" ? 10
              : unit == "M" || unit == "MiB" ? 20
              : unit == "G" || unit == "GiB" ? 30
                                             : -1;
  if (shift < 0) return fail(ErrorCode::bad_input, fmt::format("'{}' is not {}", printable(text), kWanted));
  if (parts->number > (std::numeric_limits<std::uint64_t>::max() >> shift)) {
    return fail(ErrorCode::bad_input, fmt::format("'{}' is too large", printable(text)));
  }
  return parts->number << shift;
}

Result<std::uint64_t> parse_u64(std::string_view text) {
  auto parts = split_unit(text, "a number");
  if (!parts) return std::unexpected(parts.error());
  if (!parts->unit.empty()) return fail(ErrorCode::bad_input, fmt::format("'{}' is not a number", printable(text)));
  return parts->number;
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    // Most names are nothing but this, and a scrape asks for thousands.
    const auto* end = std::ranges::find_if_not(text, [](char c) { return c >= 0x20 && c < 0x7f; });
    out.append(text.begin(), end);
    text.remove_prefix(static_cast<std::size_t>(end - text.begin()));
    if (text.empty()) break;
    CodePoint next = code_point_at(text);
    if (next.valid && !misleads(next.value)) {
      out += text.substr(0, next.bytes);
    } else {
      out.append(next.bytes, '?');
    }
    text.remove_prefix(next.bytes);
  }
  return out;
}

std::uint64_t stable_hash(std::string_view text) {
  std::uint64_t hash = 14695981039346656037ull;
  for (char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 1099511628211ull;
  }
  return hash;
}

std::string hex64(std::uint64_t value) {
  return fmt::format("{:016x}", value);
}

}  // namespace tcpadvisor
