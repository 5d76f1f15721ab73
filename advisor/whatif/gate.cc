// SPDX-License-Identifier: Apache-2.0
#include "advisor/whatif/gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/memory_gate.h"

namespace tcpadvisor::whatif {
namespace {

using namespace memory_limits;

Check compared(std::string name, std::uint64_t have, std::uint64_t limit, std::string text) {
  return {std::move(name), have <= limit ? Holds::yes : Holds::no, std::move(text)};
}

Check unknown(std::string name, std::string text) {
  return {std::move(name), Holds::unknown, std::move(text)};
}

std::uint64_t maximum(const World& world, NetnsId netns, std::string_view knob) {
  return to_u64(world.then(netns, knob, 2).value_or(0));
}

Check m1(const World& world) {
  const std::uint64_t last = tcp_mem_bytes(world, 2), ram = world.sample().host.mem_bytes;
  if (last == 0 || ram == 0) return unknown("M1", "tcp_mem or the host's memory is not known");
  const std::uint64_t most = to_u64(kMostOfRam * static_cast<double>(ram));
  return compared("M1", last, most,
                  fmt::format("tcp_mem[2] = {} {} 25 % of {} of RAM = {}", human_bytes(last), last <= most ? "<=" : ">",
                              human_bytes(ram), human_bytes(most)));
}

Check m2(const World& world, NetnsId netns, std::uint64_t busy) {
  const std::uint64_t both = both_maxima(world, netns), mark = tcp_mem_bytes(world, 1);
  if (both == 0 || mark == 0) return unknown("M2", "tcp_rmem, tcp_wmem or tcp_mem is not known");
  const std::uint64_t all = mul_sat(busy, both), most = to_u64(kShareOfTcpMem * static_cast<double>(mark));
  return compared("M2", all, most,
                  fmt::format("{} busy x ({} + {}) = {} {} 80 % of tcp_mem[1] = {}", with_commas(busy),
                              human_bytes(maximum(world, netns, "net.ipv4.tcp_rmem")),
                              human_bytes(maximum(world, netns, "net.ipv4.tcp_wmem")), human_bytes(all),
                              all <= most ? "<=" : ">", human_bytes(most)));
}

Check m3(const World& world, NetnsId netns, std::uint64_t busy) {
  const Sample& now = world.sample();
  const CgroupTotals* tightest = nullptr;
  for (const CgroupTotals& cgroup : now.cgroups) {
    if (!cgroup.memory_max || *cgroup.memory_max >= now.host.mem_bytes || cgroup.sockets == 0) continue;
    if (tightest == nullptr || *cgroup.memory_max < *tightest->memory_max) tightest = &cgroup;
  }
  if (tightest == nullptr) return {"M3", Holds::yes, "no cgroup with sockets has a limit of memory"};
  const std::uint64_t both = both_maxima(world, netns);
  if (both == 0) return unknown("M3", "tcp_rmem or tcp_wmem is not known");
  const std::uint64_t here = std::min(busy, std::max(tightest->sockets, kFewestBusy)), all = mul_sat(here, both);
  const std::uint64_t most = to_u64(kShareOfCgroup * static_cast<double>(*tightest->memory_max));
  return compared(
      "M3", all, most,
      fmt::format("cgroup {}: {} busy x {} = {} {} 50 % of its limit = {}", printable(tightest->path),
                  with_commas(here), human_bytes(both), human_bytes(all), all <= most ? "<=" : ">", human_bytes(most)));
}

Check m4(const World& world, std::uint64_t sockets) {
  const std::uint64_t ram = world.sample().host.mem_bytes, all = mul_sat(sockets, kIdleBytes);
  if (ram == 0) return unknown("M4", "the host's memory is not known");
  const std::uint64_t most = to_u64(kShareOfRam * static_cast<double>(ram));
  return compared("M4", all, most,
                  fmt::format("idle: {} sockets x 4 to 5 KiB = {} to {}, outside tcp_mem, {} 70 % of RAM = {}",
                              with_commas(sockets), human_bytes(mul_sat(sockets, kLeastIdleBytes)), human_bytes(all),
                              all <= most ? "<=" : ">", human_bytes(most)));
}

Check m5(const World& world, NetnsId netns) {
  const Sample& now = world.sample();
  const std::uint64_t larger =
      std::max(maximum(world, netns, "net.ipv4.tcp_rmem"), maximum(world, netns, "net.ipv4.tcp_wmem"));
  if (larger == 0) return unknown("M5", "tcp_rmem and tcp_wmem are not known");
  std::string pressure;
  if (now.memory.under_pressure.value_or(false)) pressure = "TCP is under memory pressure now";
  if (world.in.window.increase("TcpExt.TCPMemoryPressures").value_or(0) > 0)
    pressure = "TCP came under memory pressure while we looked";
  if (now.host_pressure && now.host_pressure->memory_some && now.host_pressure->memory_some->percent_60 > kMemoryStalls)
    pressure = fmt::format("programs waited for memory {:.0f} % of the last minute",
                           now.host_pressure->memory_some->percent_60);
  const bool fits = larger <= kMostMaximum;
  return {"M5", fits && pressure.empty() ? Holds::yes : Holds::no,
          fmt::format("largest buffer of one connection {} {} {}; {}", human_bytes(larger), fits ? "<=" : ">",
                      human_bytes(kMostMaximum), pressure.empty() ? "no memory pressure seen" : pressure)};
}

}  // namespace

std::uint64_t both_maxima(const World& world, NetnsId netns) {
  const std::uint64_t receive = maximum(world, netns, "net.ipv4.tcp_rmem"),
                      send = maximum(world, netns, "net.ipv4.tcp_wmem");
  return receive == 0 || send == 0 ? 0 : add_sat(receive, send);
}

std::uint64_t tcp_mem_bytes(const World& world, std::size_t at) {
  const TcpMemory& memory = world.sample().memory;
  std::uint64_t pages = to_u64(world.then(0, "net.ipv4.tcp_mem", at).value_or(0));
  if (pages == 0 && memory.limits_pages) pages = (*memory.limits_pages)[at];
  return mul_sat(pages, memory.page_size);
}

std::uint64_t all_sockets(const Sample& sample) {
  std::uint64_t sum = 0;
  for (const NetnsSample& netns : sample.netns) {
    for (std::size_t state = 0; state < kStateCount; ++state) {
      if (state == index_of(TcpState::time_wait) || state == index_of(TcpState::new_syn_recv)) continue;
      sum = add_sat(sum, netns.states[state].count);
    }
  }
  return sum;
}

std::vector<Check> memory_checks(const World& world, NetnsId netns, std::optional<std::uint64_t> busy,
                                 std::optional<std::uint64_t> idle) {
  const std::uint64_t full = busy.value_or(world.in.busy_connections());
  return {m1(world), m2(world, netns, full), m3(world, netns, full),
          m4(world, idle.value_or(all_sockets(world.sample()))), m5(world, netns)};
}

}  // namespace tcpadvisor::whatif
