// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/host_facts.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <string>

#include "advisor/base/fields.h"
#include "advisor/base/text.h"

namespace tcpadvisor::sources {
namespace {

/// Lines "cpu0 …", "cpu1 …" of /proc/stat: the CPUs that are on line now.
std::uint32_t count_cpus(std::string_view stat) {
  std::uint32_t cpus = 0;
  while (auto line = next_line(stat)) {
    if (line->starts_with("cpu") && line->size() > 3 && std::isdigit(static_cast<unsigned char>((*line)[3]))) ++cpus;
  }
  return cpus;
}

template <typename T>
Result<T> parsed(const Result<std::string>& text, Result<T> (*parse)(std::string_view)) {
  if (!text) return std::unexpected(text.error());
  return parse(*text);
}

}  // namespace

Result<MemInfo> parse_meminfo(std::string_view text) {
  MemInfo parsed;
  std::optional<std::uint64_t> total;
  for (std::size_t line_number = 1; auto line = next_line(text); ++line_number) {
    std::string_view name = next_word(*line);
    if (name != "MemTotal:" && name != "MemAvailable:") continue;
    auto kib = number<std::uint64_t>(next_word(*line));
    if (!kib || *kib > (1ull << 50)) {
      return fail(ErrorCode::failed,
                  fmt::format("/proc/meminfo:{}: {} is not followed by a number of kB", line_number, name));
    }
    if (name == "MemTotal:") total = *kib * 1024;
    if (name == "MemAvailable:") parsed.available_bytes = *kib * 1024;
  }
  if (!total) return fail(ErrorCode::failed, "/proc/meminfo: no line MemTotal");
  parsed.total_bytes = *total;
  return parsed;
}

Result<std::uint64_t> parse_uptime(std::string_view text) {
  std::string_view word = next_word(text);
  auto seconds = number<std::uint64_t>(word.substr(0, word.find('.')));
  if (!seconds)
    return fail(ErrorCode::failed, fmt::format("/proc/uptime:1: '{}' is not a number of seconds", printable(word)));
  return *seconds;
}

HostFacts read_host_facts(const os::ProcRoot& root, std::vector<Error>& errors) {
  HostFacts facts;
  auto take = [&errors](auto result, auto use) {
    if (result) use(*result);
    if (!result) errors.push_back(result.error());
  };
  take(root.read("/proc/sys/kernel/hostname"), [&](const std::string& text) { facts.name = printable(trimmed(text)); });
  take(root.read("/proc/sys/kernel/osrelease"),
       [&](const std::string& text) { facts.kernel = printable(trimmed(text)); });
  take(parsed(root.read("/proc/meminfo"), parse_meminfo), [&](const MemInfo& memory) {
    facts.mem_bytes = memory.total_bytes;
    facts.mem_available_bytes = memory.available_bytes;
  });
  take(parsed(root.read("/proc/uptime"), parse_uptime), [&](std::uint64_t seconds) { facts.uptime_s = seconds; });
  take(root.read("/proc/stat", 64u << 20), [&](const std::string& text) { facts.cpus = count_cpus(text); });
  return facts;
}

std::uint64_t read_own_rss_bytes(const os::ProcRoot& root) {
  auto text = root.read("/proc/self/statm");
  if (!text) return 0;
  std::string_view rest = *text;
  next_word(rest);
  return number<std::uint64_t>(next_word(rest)).value_or(0) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace tcpadvisor::sources
