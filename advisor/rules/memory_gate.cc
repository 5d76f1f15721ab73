// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/memory_gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <set>
#include <string_view>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

using namespace memory_limits;

double busy_at(const PastTick& tick) {
  std::uint64_t busy = 0;
  tick.rows.for_each([&](const PastRow& row) {
    busy += add_sat(std::uint64_t{row.rmem_alloc.value_or(row.recv_q)}, row.send_q) > kBusyBytes ? 1 : 0;
  });
  return static_cast<double>(busy);
}

std::uint64_t memory_of(const SocketRow& row) {
  return add_sat(row.rmem_alloc.value_or(row.recv_q), row.wmem_queued.value_or(row.send_q));
}

bool is_below(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/' || folder == "/");
}

/// Sockets were refused memory while this cgroup was at its limit.
bool refuses_sockets(const Evidence& in, const CgroupTotals& cgroup) {
  const Window& window = in.window;
  Series used = window.series([&](const PastTick& tick) -> std::optional<double> {
    const PastCgroup* then = tick.find(cgroup);
    if (then == nullptr || !then->memory_current) return std::nullopt;
    return static_cast<double>(*then->memory_current);
  });
  if (used.empty() || used.max() < kCgroupIsFull * static_cast<double>(cgroup.memory_max.value_or(0))) return false;
  Series refused = window.series([](const PastTick& tick) -> std::optional<double> {
    if (!tick.refusals) return std::nullopt;
    return static_cast<double>(add_sat(tick.refusals->cgroup_send, tick.refusals->cgroup_recv));
  });
  if (refused.size() >= 2) return refused.increase() > 0;
  return window.increase("TcpExt.TCPRcvQDrop").value_or(0) + window.increase("TcpExt.RcvPruned").value_or(0) > 0;
}

/// Why nothing may be raised, whatever the arithmetic; empty if nothing stands against it.
std::string why_not(const Evidence& in) {
  const Sample& now = in.now();
  const TcpMemory& memory = now.memory;
  if (!memory.limits_pages || memory.page_size == 0 || now.host.mem_bytes == 0)
    return "tcp_mem or the host's memory could not be read";
  std::uint64_t last = mul_sat((*memory.limits_pages)[2], memory.page_size);
  if (static_cast<double>(last) > kMostOfRam * static_cast<double>(now.host.mem_bytes)) {
    return fmt::format("tcp_mem[2] = {} is more than 25 % of {} of RAM already", human_bytes(last),
                       human_bytes(now.host.mem_bytes));
  }
  if (memory.under_pressure.value_or(false)) return "TCP is under memory pressure now";
  if (in.window.increase("TcpExt.TCPMemoryPressures").value_or(0) > 0)
    return "TCP came under memory pressure while we looked";
  const std::uint64_t mark = (*memory.limits_pages)[1];
  if (const std::uint64_t used = memory.pages.value_or(0);
      static_cast<double>(used) >= kShareOfTcpMem * static_cast<double>(mark)) {
    return fmt::format("TCP uses {} of {} pages of tcp_mem[1] already", with_commas(used), with_commas(mark));
  }
  if (now.host_pressure && now.host_pressure->memory_some &&
      now.host_pressure->memory_some->percent_60 > kMemoryStalls) {
    return fmt::format("programs waited for memory {:.0f} % of the last minute",
                       now.host_pressure->memory_some->percent_60);
  }
  return "";
}

}  // namespace

std::uint64_t count_busy_connections(const Window& window) {
  const Sample& now = window.latest();
  Series seen = window.series([](const PastTick& tick) { return std::optional(busy_at(tick)); });
  auto busy = std::max(to_u64(seen.percentile(99)),
                       static_cast<std::uint64_t>(std::ranges::count_if(
                           now.sockets, [](const SocketRow& row) { return memory_of(row) > kBusyBytes; })));
  if (now.rows_suppressed > 0) {
    std::uint64_t memory = 0;
    for (const NetnsSample& netns : now.netns) {
      for (const StateTotals& state : netns.states) memory = add_sat(memory, add_sat(state.rmem, state.wmem));
    }
    busy = std::max(busy, std::min(add_sat(busy, now.rows_suppressed), memory / kBusyBytes));
  }
  return std::max(busy, kFewestBusy);
}

std::uint64_t MemoryGate::Budget::most(std::uint64_t other) const {
  return sub_sat(bytes / std::max<std::uint64_t>(busy, 1), other);
}

MemoryGate::MemoryGate(const Evidence& in, std::uint64_t other, const std::vector<const SocketRow*>& flows)
    : other_(other), refusal_(why_not(in)) {
  if (!refusal_.empty()) return;
  const Sample& now = in.now();
  const TcpMemory& memory = now.memory;
  for (const NetnsSample& netns : now.netns) {
    for (TcpState state : {TcpState::established, TcpState::close_wait, TcpState::fin_wait_1})
      sockets_ = add_sat(sockets_, netns.states[index_of(state)].count);
  }
  within_ram_ =
      fmt::format("tcp_mem[2] = {} <= 25 % of {} of RAM",
                  human_bytes(mul_sat((*memory.limits_pages)[2], memory.page_size)), human_bytes(now.host.mem_bytes));
  budgets_.push_back(
      {.name = "80 % of tcp_mem[1]",
       .bytes = to_u64(kShareOfTcpMem * static_cast<double>(mul_sat((*memory.limits_pages)[1], memory.page_size))),
       .busy = in.busy_connections()});
  const std::uint64_t structures = mul_sat(sockets_, kIdleBytes);
  Budget of_all = {.name = fmt::format("70 % of RAM less {} for the structures of {}", human_bytes(structures),
                                       counted(sockets_, "socket")),
                   .bytes = sub_sat(to_u64(kShareOfRam * static_cast<double>(now.host.mem_bytes)), structures),
                   .busy = budgets_.front().busy};
  if (of_all.bytes < budgets_.front().bytes) budgets_.push_back(std::move(of_all));
  limit_by(in, flows);
  if (!refusal_.empty()) return;
  most_ = kMostMaximum;
  for (const Budget& budget : budgets_) most_ = std::min(most_, budget.most(other_));
}

/// The memory cgroups of these flows that have a limit, and those around them.
void MemoryGate::limit_by(const Evidence& in, const std::vector<const SocketRow*>& flows) {
  const Sample& now = in.now();
  std::set<std::string_view> paths;
  for (const SocketRow* row : flows) {
    if (!row->cgroup.empty()) paths.insert(row->cgroup);
  }
  for (const CgroupTotals& cgroup : now.cgroups) {
    if (!cgroup.memory_max || *cgroup.memory_max >= now.host.mem_bytes || cgroup.path.empty()) continue;
    if (std::ranges::none_of(paths, [&](std::string_view path) { return is_below(path, cgroup.path); })) continue;
    if (refuses_sockets(in, cgroup)) {
      refusal_ = fmt::format("sockets of cgroup {} are refused memory at its limit of {}", cgroup.path,
                             human_bytes(*cgroup.memory_max));
      most_ = 0;
      return;
    }
    auto busy = static_cast<std::uint64_t>(std::ranges::count_if(now.sockets, [&](const SocketRow& row) {
      return memory_of(row) > kBusyBytes && is_below(row.cgroup, cgroup.path);
    }));
    budgets_.push_back({.name = fmt::format("50 % of the limit of cgroup {}", cgroup.path),
                        .bytes = to_u64(kShareOfCgroup * static_cast<double>(*cgroup.memory_max)),
                        .busy = std::max(busy, kFewestBusy)});
  }
}

bool MemoryGate::passes(std::uint64_t both) const {
  return refusal_.empty() &&
         std::ranges::all_of(budgets_, [&](const Budget& one) { return mul_sat(one.busy, both) <= one.bytes; });
}

std::uint64_t MemoryGate::pass(std::uint64_t wanted) const {
  if (wanted <= most_) return wanted;
  return most_ == 0 ? 0 : std::bit_floor(most_);
}

std::uint64_t MemoryGate::worst_case(std::uint64_t maximum) const {
  return budgets_.empty() ? 0 : mul_sat(budgets_.front().busy, add_sat(maximum, other_));
}

std::string MemoryGate::arithmetic(std::uint64_t maximum) const {
  if (!refusal_.empty()) return refusal_;
  std::string out;
  for (const Budget& budget : budgets_) {
    std::uint64_t all = mul_sat(budget.busy, add_sat(maximum, other_));
    out += fmt::format("{} busy connections x ({} + {}) = {} {} {} = {}; ", with_commas(budget.busy),
                       human_bytes(maximum), human_bytes(other_), human_bytes(all), all <= budget.bytes ? "<=" : ">",
                       budget.name, human_bytes(budget.bytes));
  }
  return out + fmt::format(
                   "{}; at most {} for one connection; idle ones take none of it, only {} for the structures of "
                   "{} outside tcp_mem",
                   within_ram_, human_bytes(kMostMaximum), human_bytes(mul_sat(sockets_, kIdleBytes)),
                   counted(sockets_, "socket"));
}

}  // namespace tcpadvisor
