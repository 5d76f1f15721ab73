// SPDX-License-Identifier: Apache-2.0
// Limits of the whole host: memory of all TCP buffers, the queue of packets of a processor, tables of entries.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/whatif/gate.h"
#include "advisor/whatif/kinds.h"

namespace tcpadvisor::whatif {
namespace {

constexpr std::uint64_t kTrackedBytes = 320;  // of one entry of nf_conntrack
constexpr std::array<std::string_view, 3> kMarks = {"min", "pressure", "max"};

std::string_view zone(std::uint64_t used, const std::array<std::uint64_t, 3>& marks) {
  if (used <= marks[0]) return "below the first mark: nothing is regulated";
  if (used <= marks[1]) return "between the first two marks: given, unless pressure has begun";
  return used <= marks[2] ? "above the second mark: under pressure, windows shrink"
                          : "above the third mark: nothing more is given";
}

}  // namespace

Answer on_tcp_mem(const World& world, const Asked& asked) {
  Answer out = begin(world, asked);
  const Sample& sample = world.sample();
  const std::uint64_t page = sample.memory.page_size, used = sample.memory.pages.value_or(0);
  std::array<std::uint64_t, 3> now{}, then{};
  for (std::size_t i = 0; i < 3; ++i) {
    now[i] = to_u64(world.now(0, asked.knob->name, i).value_or(0));
    if (now[i] == 0 && sample.memory.limits_pages) now[i] = (*sample.memory.limits_pages)[i];
    then[i] = asked.values[i] ? to_u64(*asked.values[i]) : now[i];
  }
  if (sample.memory.pages && zone(used, now) != zone(used, then)) {
    for (std::size_t i = 0; i < 3; ++i) {
      if ((used > now[i]) == (used > then[i])) continue;
      out.effects.push_back(
          {.of = "host",
           .metric = fmt::format("tcp_mem_{}", kMarks[i]),
           .from = static_cast<double>(mul_sat(now[i], page)),
           .to = static_cast<double>(mul_sat(then[i], page)),
           .unit = "bytes",
           .formula = fmt::format("{} pages x {} B; in use: {} pages = {}: {}", with_commas(then[i]), page,
                                  with_commas(used), human_bytes(mul_sat(used, page)), zone(used, then))});
    }
  }
  conclude(out, sample.memory.pages ? fmt::format("TCP uses {} pages = {}, which is {} with either", with_commas(used),
                                                  human_bytes(mul_sat(used, page)), zone(used, then))
                                    : "how many pages TCP uses is not known");
  if (out.changes) out.summary = fmt::format("the memory in use would be {}", zone(used, then));
  if (sample.host.mem_bytes > 0 && mul_sat(then[1], page) > sample.host.mem_bytes) {
    out.notes.push_back(
        fmt::format("its unit is pages: [1] = {} pages = {}, more than the {} that there are; bytes are meant, perhaps",
                    with_commas(then[1]), human_bytes(mul_sat(then[1], page)), human_bytes(sample.host.mem_bytes)));
  }
  if (then[0] > then[1] || then[1] > then[2]) out.notes.emplace_back("the three values must rise");
  out.memory = memory_checks(world, sample.host_netns() != nullptr ? sample.host_netns()->id : 0);
  return out;
}

Answer on_packet_queue(const World& world, const Asked& asked) {
  Answer out = begin(world, asked);
  const Sample& sample = world.sample();
  const std::size_t ticks = world.in.window.samples();
  std::uint64_t dropped = 0, squeezed = 0;
  for (const Softnet& cpu : sample.softnet) {
    dropped = add_sat(dropped, std::uint64_t{cpu.dropped});
    squeezed = add_sat(squeezed, std::uint64_t{cpu.time_squeeze});
  }
  const bool queue = asked.knob->name.ends_with("max_backlog");
  const std::uint64_t seen = queue ? dropped : squeezed;
  if (sample.softnet.empty()) {
    conclude(out, "/proc/net/softnet_stat could not be read");
  } else if (seen == 0) {
    conclude(out, queue ? "no packet was ever dropped there since the boot"
                        : "no round of receiving ever ended with packets left since the boot");
  } else {
    out.effects.push_back(
        {.of = "host",
         .metric = queue ? "dropped_since_boot" : "squeezed_since_boot",
         .from = static_cast<double>(seen),
         .to = 0,
         .unit = "times",
         .bound = true,
         .formula = fmt::format("{} times since the boot (looked {} times); what a larger one had kept is "
                                "not known",
                                with_commas(seen), ticks)});
    conclude(out, "");
    out.summary = "some of what was dropped or left might find room";
  }
  if (queue) {
    out.notes.emplace_back(
        "only packets of loopback, veth, tunnels and of RPS pass this queue; what a network card drops in its ring is "
        "another number (ethtool -S)");
  }
  return out;
}

Answer on_table(const World& world, const Asked& asked) {
  Answer out = begin(world, asked);
  const std::string_view name = asked.knob->name;
  const std::uint64_t then = to_u64(asked.values[0].value_or(0));
  if (name.ends_with("nf_conntrack_max")) {
    std::uint64_t most = 0;
    bool known = false;
    for (const NetnsSample& netns : world.sample().netns) {
      if (!netns.conntrack) continue;
      known = true;
      const double refused = world.in.window.increase(netns.id, "Conntrack.drop").value_or(0);
      most = std::max(most, netns.conntrack->count);
      if (netns.conntrack->count <= then && refused <= 0) continue;
      out.effects.push_back(
          {.of = "netns " + netns.name,
           .metric = "tracked_connections",
           .from = static_cast<double>(netns.conntrack->count),
           .to = static_cast<double>(then),
           .unit = "entries",
           .bound = true,
           .formula =
               fmt::format("{} entries x about {} B = {}; {:.0f} packets dropped for it while we looked",
                           with_commas(then), kTrackedBytes, human_bytes(mul_sat(then, kTrackedBytes)), refused)});
    }
    conclude(out, known ? fmt::format(
                              "{} entries are there, and nothing was dropped for want of one; it would be {} if full",
                              with_commas(most), human_bytes(mul_sat(then, kTrackedBytes)))
                        : "nothing is tracked here");
    if (out.changes) out.summary = "another number of connections could be tracked";
    return out;
  }
  std::uint64_t fds = 0;
  const OwnerTotals* largest = nullptr;
  for (const OwnerTotals& owner : world.sample().owners) {
    if (owner.fds.value_or(0) <= fds) continue;
    fds = *owner.fds;
    largest = &owner;
  }
  if (largest != nullptr && fds > then) {
    out.effects.push_back({.of = fmt::format("{}[{}]", printable(largest->comm), largest->pid),
                           .metric = "descriptors",
                           .from = static_cast<double>(fds),
                           .to = static_cast<double>(then),
                           .unit = "descriptors",
                           .bound = true,
                           .formula = "what it has stays; it gets no more"});
  }
  conclude(out, largest == nullptr
                    ? "no process with sockets was seen"
                    : fmt::format("the process with the most descriptors, {}[{}], has {}; its own limit is {}",
                                  printable(largest->comm), largest->pid, with_commas(fds),
                                  largest->fd_limit ? with_commas(*largest->fd_limit) : "not known"));
  if (out.changes) out.summary = "a process has more already";
  return out;
}

}  // namespace tcpadvisor::whatif
