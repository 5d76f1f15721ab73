// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/conntrack.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "advisor/base/fields.h"
#include "advisor/base/saturate.h"
#include "advisor/base/text.h"

namespace tcpadvisor::sources {
namespace {

struct Column {
  std::string_view heading, counter;
};
constexpr std::array kColumns = {
    Column{"drop", "Conntrack.drop"},                    // for want of room, or a lost race
    Column{"early_drop", "Conntrack.early_drop"},        // entries that others had to make room for
    Column{"insert_failed", "Conntrack.insert_failed"},  // lost a race for the same addresses and ports
    Column{"chainlength", "Conntrack.chaintoolong"},     // since 5.15: too many in one bucket
};

std::unexpected<Error> bad_line(std::size_t line, std::string_view what) {
  return fail(ErrorCode::failed, fmt::format("nf_conntrack:{}: {}", line, what));
}

Result<std::uint64_t> entries_in(const os::ProcRoot& root, std::string_view name) {
  std::string path = fmt::format("/proc/sys/net/netfilter/{}", name);
  auto text = root.read(path);
  if (!text) return std::unexpected(text.error());
  auto value = number<std::uint64_t>(trimmed(*text));
  if (!value)
    return fail(ErrorCode::failed, fmt::format("{}: '{}' is not a number of entries", path, printable(trimmed(*text))));
  return *value;
}

}  // namespace

Status parse_conntrack_stat(std::string_view text, Counters& into) {
  auto heading = next_line(text);
  if (!heading) return bad_line(1, "empty");
  std::vector<const Column*> wanted;  // by position; null: not of interest
  for (std::string_view word = next_word(*heading); !word.empty(); word = next_word(*heading)) {
    auto column = std::ranges::find(kColumns, word, &Column::heading);
    wanted.push_back(column == kColumns.end() ? nullptr : &*column);
  }
  Counters sums;
  for (std::size_t line_number = 2; auto line = next_line(text); ++line_number) {
    for (const Column* column : wanted) {
      std::string_view word = next_word(*line);
      auto value = number<std::uint64_t>(word, 16);
      if (!value) {
        return bad_line(line_number, word.empty() ? "not as many values as names in the heading"
                                                  : fmt::format("'{}' is not a hexadecimal number", printable(word)));
      }
      if (column == nullptr) continue;
      std::uint64_t& sum = sums[std::string(column->counter)];
      sum = add_sat(sum, *value);
    }
  }
  if (sums.empty()) return bad_line(1, "no columns drop, early_drop and insert_failed, or no values below them");
  into.merge(sums);
  return {};
}

Result<ConntrackFiles> read_conntrack(const os::ProcRoot& root, std::string_view net_dir) {
  auto count = entries_in(root, "nf_conntrack_count");
  if (!count) return std::unexpected(count.error());
  ConntrackFiles files;
  files.table.count = *count;
  if (auto max = entries_in(root, "nf_conntrack_max")) files.table.max = *max;
  if (*count == 0) return files;  // of many namespaces most track nothing, and cost no more than this
  auto text = root.read(fmt::format("{}/stat/nf_conntrack", net_dir));
  Status parsed = text ? parse_conntrack_stat(*text, files.counters) : Status(std::unexpected(text.error()));
  if (!parsed) files.counters_error = parsed.error();
  return files;
}

}  // namespace tcpadvisor::sources
