// SPDX-License-Identifier: Apache-2.0
#include "advisor/report/endings.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"

namespace tcpadvisor {
namespace {

constexpr const char* kNotSeen = "not seen: no hook on closes (tcpadvisor doctor says why)";

/// The end of the slot, 2^(k+1) ms, at which so many of a hundred are reached.
std::uint64_t reached_ms(const std::array<std::uint64_t, 24>& slots, std::uint64_t all, double percent) {
  const double wanted = static_cast<double>(all) * percent / 100;
  double sum = 0;
  for (std::size_t k = 0; k < slots.size(); ++k) {
    sum += static_cast<double>(slots[k]);
    if (sum >= wanted) return std::uint64_t{1} << (k + 1);
  }
  return std::uint64_t{1} << slots.size();
}

std::string text_of(std::uint64_t count, const std::string& what) {
  return fmt::format("{} {}", with_commas(count), what);
}

std::string by_process(const std::vector<Endings::Closer>& list, std::uint64_t Endings::Closer::* count) {
  std::string out;
  for (const Endings::Closer& one : list) {
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ",
                       one.pid == 0 ? "a process that we cannot see" : fmt::format("{}[{}]", one.comm, one.pid),
                       with_commas(one.*count));
  }
  return out.empty() ? "none" : out;
}

std::string duration(std::uint64_t ms) {
  return human_duration(milliseconds_sat(ms));
}

}  // namespace

Endings endings_of(const Sample& latest) {
  Endings out;
  out.totals = latest.lifecycle;
  out.resets_seen = latest.lifecycle && (latest.knows(FactId::resets) || !latest.lifecycle->resets_sent.empty());
  if (latest.lifecycle) {
    for (std::size_t state = 1; state < kStateCount; ++state) {
      const auto& slots = latest.lifecycle->dwell_log2_ms[state];
      const std::uint64_t all =
          std::accumulate(slots.begin(), slots.end(), std::uint64_t{0}, [](auto a, auto b) { return add_sat(a, b); });
      if (all == 0) continue;
      out.dwells.push_back({static_cast<TcpState>(state), all, reached_ms(slots, all, 50), reached_ms(slots, all, 99)});
    }
  }
  bool resets_counted = true;
  for (const Closes& closes : latest.closes) {
    if (closes.count == 0) continue;
    out.closers.push_back({closes.pid, closes.comm, closes.count, closes.resets.value_or(0)});
    resets_counted &= closes.resets.has_value();
  }
  std::ranges::stable_sort(out.closers, std::greater<>(), &Endings::Closer::closes);
  if (resets_counted) {
    std::vector<Endings::Closer>& resetters = out.resetters.emplace(out.closers);
    std::erase_if(resetters, [](const Endings::Closer& one) { return one.resets == 0; });
    std::ranges::stable_sort(resetters, std::greater<>(), &Endings::Closer::resets);
    resetters.resize(std::min(resetters.size(), kMostClosers));
  }
  out.closers.resize(std::min(out.closers.size(), kMostClosers));
  return out;
}

std::vector<std::pair<std::string, std::string>> ending_lines(const Endings& endings) {
  std::vector<std::pair<std::string, std::string>> out;
  if (!endings.totals) {
    out.emplace_back("closes, resets, times in states", kNotSeen);
    return out;
  }
  const LifecycleTotals& all = *endings.totals;
  out.emplace_back("ended", fmt::format("{} of {} that began: {} by us first, {} by the peer, {} by a reset",
                                        with_commas(all.closed), with_commas(all.opened), with_commas(all.closed_by_us),
                                        with_commas(all.closed_by_peer), with_commas(all.reset)));
  out.emplace_back("closed with unread data",
                   fmt::format("{}: {} thrown away, and the peer reset", with_commas(all.unread_at_close),
                               human_bytes(all.unread_bytes_at_close)));
  out.emplace_back("closed with unsent data",
                   fmt::format("{}: {} not acknowledged then; the kernel went on sending",
                               with_commas(all.unsent_at_close), human_bytes(all.unsent_bytes_at_close)));
  std::string resets;
  for (const auto& [reason, count] : all.resets_sent) resets += (resets.empty() ? "" : ", ") + text_of(count, reason);
  if (resets.empty()) resets = endings.resets_seen ? "none" : "not seen";
  out.emplace_back("resets sent, by reason", resets);
  out.emplace_back("closes of late, by process", by_process(endings.closers, &Endings::Closer::closes));
  out.emplace_back("of them by a reset",
                   endings.resetters ? by_process(*endings.resetters, &Endings::Closer::resets) : "not seen");
  std::string dwells;
  for (const Endings::Dwell& one : endings.dwells) {
    dwells += fmt::format("{}{} {} (99 %: {}, {} times)", dwells.empty() ? "" : "; ", name_of(one.state),
                          duration(one.half_ms), duration(one.most_ms), with_commas(one.times));
  }
  out.emplace_back("time in states, half of them at most", dwells.empty() ? "none ended a state yet" : dwells);
  return out;
}

}  // namespace tcpadvisor
