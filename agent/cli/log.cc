// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/log.h"

#include <fmt/format.h>

#include <atomic>
#include <cstdio>

namespace tcpadvisor::cli {
namespace {

std::atomic<LogLevel> threshold = LogLevel::warning;

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
    case LogLevel::off:
      break;
  }
  return "error";
}

}  // namespace

void set_log_level(LogLevel level) {
  threshold = level;
}

void log(LogLevel level, std::string_view text) {
  if (level < threshold.load() || level == LogLevel::off) return;
  // One call for the whole line, so that lines of two threads never mix. Nobody can be told that stderr is closed.
  std::string line = fmt::format("tcpadvisor: {}: {}\n", name_of(level), text);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace tcpadvisor::cli
