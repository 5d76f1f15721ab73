// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/moment.h"

#include <fmt/format.h>

#include <array>
#include <ctime>

#include "advisor/base/text.h"

namespace tcpadvisor::cli {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;

std::tm local(std::int64_t wall_ms) {
  std::time_t seconds = static_cast<std::time_t>(wall_ms / 1000);
  std::tm out{};
  localtime_r(&seconds, &out);
  return out;
}

/// All of `text`; the fields that it does not name are 0.
bool parse(const std::string& text, const char* form, std::tm& out) {
  out = {};
  const char* end = strptime(text.c_str(), form, &out);
  return end != nullptr && *end == '\0';
}

}  // namespace

Result<MomentOf> parse_moment(const std::string& text) {
  using From = MomentOf::From;
  if (text.starts_with('+') || text.starts_with('-')) {
    Result<std::chrono::milliseconds> distance = parse_duration(std::string_view(text).substr(1));
    if (!distance) return std::unexpected(distance.error());
    return MomentOf{text.front() == '+' ? From::start : From::end, distance->count()};
  }
  if (text.starts_with('@')) {
    Result<std::uint64_t> seconds = parse_u64(std::string_view(text).substr(1));
    if (seconds && *seconds < 1ull << 40) return MomentOf{From::epoch, static_cast<std::int64_t>(*seconds) * 1000};
  }
  std::tm time{};
  for (const char* form : {"%H:%M:%S", "%H:%M"}) {
    if (parse(text, form, time))
      return MomentOf{From::day, 1000 * ((time.tm_hour * 60 + time.tm_min) * 60 + std::int64_t{time.tm_sec})};
  }
  for (const char* form : {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"}) {
    if (!parse(text, form, time)) continue;
    time.tm_isdst = -1;
    const std::time_t seconds = text.ends_with('Z') ? timegm(&time) : mktime(&time);
    return MomentOf{From::epoch, std::int64_t{seconds} * 1000};
  }
  return fail(ErrorCode::bad_input,
              fmt::format("'{}' is not a moment: write 14:03:20, 2026-11-30T14:03:20, +90s after the start or -30s "
                          "before the end",
                          printable(text)));
}

Result<std::int64_t> resolve(const MomentOf& moment, std::int64_t first_ms, std::int64_t last_ms) {
  using From = MomentOf::From;
  std::int64_t at = moment.ms;
  if (moment.from == From::start) at = first_ms + moment.ms;
  if (moment.from == From::end) at = last_ms - moment.ms;
  if (moment.from == From::day) {
    std::tm day = local(first_ms);
    day.tm_hour = day.tm_min = 0;
    day.tm_sec = static_cast<int>(moment.ms / 1000);
    day.tm_isdst = -1;
    at = std::int64_t{mktime(&day)} * 1000;
    if (at < first_ms - 999 && at + kDayMs <= last_ms) at += kDayMs;
  }
  if (at < first_ms - 999 || at > last_ms + 999) {  // it is told in whole seconds
    return fail(ErrorCode::bad_input, fmt::format("{} is not in the recording: it goes from {} to {}", clock_text(at),
                                                  clock_text(first_ms), clock_text(last_ms)));
  }
  return moment.from == From::start || moment.from == From::end ? at : at + 999;  // to the end of that second
}

std::string clock_text(std::int64_t wall_ms) {
  const std::tm time = local(wall_ms);
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &time);
  return text.data();
}

}  // namespace tcpadvisor::cli
