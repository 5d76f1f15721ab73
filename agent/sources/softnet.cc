// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/softnet.h"

#include <fmt/format.h>

#include <array>

#include "advisor/base/fields.h"
#include "advisor/base/text.h"

namespace tcpadvisor::sources {
namespace {

// net/core/net-procfs.c: softnet_seq_show. The first nine columns are as old as the file.
constexpr std::size_t kProcessed = 0, kDropped = 1, kSqueezed = 2, kSteered = 9, kFlowLimited = 10, kCpu = 12;
constexpr std::size_t kFewestColumns = 9, kMostColumns = 13;  // later ones are not of interest

}  // namespace

Result<std::vector<Softnet>> parse_softnet(std::string_view text) {
  std::vector<Softnet> cpus;
  for (std::uint32_t line_number = 1; auto line = next_line(text); ++line_number) {
    std::array<std::uint32_t, kMostColumns> columns{};
    std::size_t count = 0;
    for (std::string_view word = next_word(*line); !word.empty() && count < kMostColumns; word = next_word(*line)) {
      auto value = number<std::uint32_t>(word, 16);
      if (!value) {
        return fail(ErrorCode::failed, fmt::format("softnet_stat:{}: '{}' is not a hexadecimal number of 32 bits",
                                                   line_number, printable(word)));
      }
      columns[count++] = *value;
    }
    if (count < kFewestColumns)
      return fail(ErrorCode::failed,
                  fmt::format("softnet_stat:{}: {} columns, not {} or more", line_number, count, kFewestColumns));
    cpus.push_back({.cpu = count > kCpu ? columns[kCpu] : line_number - 1,
                    .processed = columns[kProcessed],
                    .dropped = columns[kDropped],
                    .time_squeeze = columns[kSqueezed],
                    .steered = columns[kSteered],
                    .flow_limited = columns[kFlowLimited]});
  }
  if (cpus.empty()) return fail(ErrorCode::failed, "softnet_stat:1: empty");
  return cpus;
}

Result<std::vector<Softnet>> read_softnet(const os::ProcRoot& root, std::string_view net_dir) {
  auto text = root.read(fmt::format("{}/softnet_stat", net_dir));
  if (!text) return std::unexpected(text.error());
  return parse_softnet(*text);
}

}  // namespace tcpadvisor::sources
