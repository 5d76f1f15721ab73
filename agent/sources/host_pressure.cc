// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/host_pressure.h"

#include <fmt/format.h>

#include <charconv>
#include <string>

#include "advisor/base/fields.h"
#include "advisor/base/saturate.h"
#include "advisor/base/text.h"

namespace tcpadvisor::sources {
namespace {

std::optional<double> percent(std::string_view word) {
  double value = 0;
  auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, std::chars_format::fixed);
  // Averages of the kernel may be a little above what they are made of; a NaN fails here as well.
  if (error != std::errc() || end != word.data() + word.size() || !(value >= 0 && value <= 101)) return std::nullopt;
  return value;
}

Result<Stall> parse_stall(std::string_view rest, std::string_view file, std::size_t line_number) {
  Stall stall;
  bool has_10 = false, has_60 = false, has_total = false;
  for (std::string_view word = next_word(rest); !word.empty(); word = next_word(rest)) {
    std::size_t equals = word.find('=');
    std::string_view name = word.substr(0, equals);
    std::string_view value = equals == std::string_view::npos ? "" : word.substr(equals + 1);
    bool good = true;
    if (name == "total") {
      auto total = number<std::uint64_t>(value);
      good = has_total = total.has_value();
      stall.total_us = total.value_or(0);
    } else if (name == "avg10" || name == "avg60") {
      auto share = percent(value);
      good = share.has_value();
      (name == "avg10" ? has_10 : has_60) = good;
      (name == "avg10" ? stall.percent_10 : stall.percent_60) = share.value_or(0);
    }
    if (!good) {
      return fail(ErrorCode::failed, fmt::format("{}:{}: '{}' is not the number that {} should be", file, line_number,
                                                 printable(value), name));
    }
  }
  if (!has_10 || !has_60 || !has_total)
    return fail(ErrorCode::failed, fmt::format("{}:{}: without avg10, avg60 or total", file, line_number));
  return stall;
}

/// A kernel without PSI has no such file; one where it is switched off refuses to read it.
std::optional<Error> read_stalls(const os::ProcRoot& root, std::string_view what, std::optional<Stall>& some,
                                 std::optional<Stall>* full) {
  std::string path = fmt::format("/proc/pressure/{}", what);
  auto text = root.read(path);
  if (!text) return text.error();
  auto stalls = parse_pressure(*text, path);
  if (!stalls) return stalls.error();
  some = stalls->some;
  if (full != nullptr) *full = stalls->full;
  return std::nullopt;
}

}  // namespace

Result<Stalls> parse_pressure(std::string_view text, std::string_view file) {
  Stalls stalls;
  for (std::size_t line_number = 1; auto line = next_line(text); ++line_number) {
    std::string_view kind = next_word(*line);
    if (kind != "some" && kind != "full") continue;
    auto stall = parse_stall(*line, file, line_number);
    if (!stall) return std::unexpected(stall.error());
    (kind == "some" ? stalls.some : stalls.full) = *stall;
  }
  if (!stalls.some) return fail(ErrorCode::failed, fmt::format("{}: no line starts with some", file));
  return stalls;
}

Reclaim parse_vmstat(std::string_view text) {
  Reclaim reclaim;
  while (auto line = next_line(text)) {
    std::string_view name = next_word(*line);
    bool stalls = name == "allocstall" || name.starts_with("allocstall_");
    if (!stalls && name != "oom_kill") continue;
    auto value = number<std::uint64_t>(next_word(*line));
    if (!value) continue;
    if (stalls) reclaim.allocation_stalls = add_sat(reclaim.allocation_stalls.value_or(0), *value);
    if (!stalls) reclaim.oom_kills = *value;
  }
  return reclaim;
}

PressureFiles read_host_pressure(const os::ProcRoot& root) {
  PressureFiles files;
  HostPressure& pressure = files.pressure;
  auto keep = [&files](std::optional<Error> error) {
    if (error && !files.stalls_error) files.stalls_error = std::move(error);
  };
  keep(read_stalls(root, "memory", pressure.memory_some, &pressure.memory_full));
  keep(read_stalls(root, "cpu", pressure.cpu_some, nullptr));  // "full" has no meaning for the processor of a host
  keep(read_stalls(root, "io", pressure.io_some, &pressure.io_full));
  auto vmstat = root.read("/proc/vmstat");
  if (vmstat) {
    Reclaim reclaim = parse_vmstat(*vmstat);
    pressure.allocation_stalls = reclaim.allocation_stalls;
    pressure.oom_kills = reclaim.oom_kills;
    if (!reclaim.allocation_stalls)
      files.vmstat_error = Error{ErrorCode::failed, "/proc/vmstat: no line starts with allocstall", 0};
  } else {
    files.vmstat_error = vmstat.error();
  }
  return files;
}

}  // namespace tcpadvisor::sources
