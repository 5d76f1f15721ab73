// SPDX-License-Identifier: Apache-2.0
// Load that is to come: connections that rest, connections with full buffers, one flow over a long path.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/knobs/port_space.h"
#include "advisor/rules/flow_limits.h"
#include "advisor/rules/memory_gate.h"
#include "advisor/rules/words.h"
#include "advisor/whatif/accept.h"
#include "advisor/whatif/gate.h"
#include "advisor/whatif/kinds.h"

namespace tcpadvisor::whatif {
namespace {

using namespace memory_limits;

constexpr double kCarries = 0.66;         // payload on its way per byte of send buffer, as in buffers.cc
constexpr std::uint64_t kSegment = 1448;  // bytes of payload at 1500 bytes MTU with time stamps
constexpr double kUsualRatio = 0.5;       // of a receive buffer, where nothing was measured

/// How many sockets a limit lets be.
struct Limit {
  std::string name;
  std::uint64_t sockets = 0;
  std::string formula;
  bool sometimes = false;  ///< only for some connections: the formula says for which
};

NetnsId place_of(const World& world) {
  const NetnsSample* host = world.sample().host_netns();
  if (host != nullptr) return host->id;
  return world.sample().netns.empty() ? 0 : world.sample().netns.front().id;
}

const OwnerTotals* with_most_sockets(const Sample& sample) {
  const OwnerTotals* out = nullptr;
  for (const OwnerTotals& owner : sample.owners) {
    if (out == nullptr || owner.tcp_sockets() > out->tcp_sockets()) out = &owner;
  }
  return out;
}

std::vector<Limit> limits_of(const World& world) {
  const Sample& sample = world.sample();
  const NetnsId place = place_of(world);
  std::vector<Limit> out;
  if (const OwnerTotals* owner = with_most_sockets(sample); owner != nullptr && owner->fd_limit) {
    const std::uint64_t other = sub_sat(std::uint64_t{owner->fds.value_or(0)}, owner->tcp_sockets());
    out.push_back({fmt::format("descriptors of {}[{}]", printable(owner->comm), owner->pid),
                   sub_sat(*owner->fd_limit, other),
                   fmt::format("RLIMIT_NOFILE {} - {} that are no TCP sockets, if that process holds them all",
                               with_commas(*owner->fd_limit), with_commas(other))});
  }
  auto setting = [&](std::string_view knob, const char* words, bool sometimes = false) {
    auto value = world.then(place, knob);
    if (value && *value > 0) out.push_back({std::string(knob), to_u64(*value), words, sometimes});
  };
  setting("fs.nr_open", "the most that RLIMIT_NOFILE of one process can be");
  setting("fs.file-max", "files of the whole host, each socket is one");
  setting("net.netfilter.nf_conntrack_max", "entries, if connections are tracked; NOTRACK for that port", true);
  if (auto space = port_space(sample, place)) {
    out.push_back(
        {"local ports", space->available(),
         fmt::format("{}-{}, if this host begins them all towards one address and port", space->low, space->high),
         true});
  }
  const std::uint64_t page = std::max<std::uint64_t>(sample.memory.page_size, 1), pressure = tcp_mem_bytes(world, 1);
  if (pressure > 0) {
    out.push_back(
        {"tcp_mem[1]", pressure / page,
         fmt::format("{} / {} B: one unread message each, however small, takes a page", human_bytes(pressure), page)});
  }
  if (sample.host.mem_bytes > 0) {
    const std::uint64_t ram = to_u64(kShareOfRam * static_cast<double>(sample.host.mem_bytes));
    out.push_back({"memory", ram / kIdleBytes, fmt::format("70 % of {} / 5 KiB", human_bytes(sample.host.mem_bytes))});
  }
  std::ranges::stable_sort(out, {}, &Limit::sockets);
  return out;
}

Answer on_connections(const World& world, std::uint64_t count) {
  const Sample& sample = world.sample();
  Answer out;
  out.asked = fmt::format("connections={}", count);
  const std::uint64_t now = all_sockets(sample);
  auto bytes = [](std::uint64_t sockets, std::uint64_t each) { return static_cast<double>(mul_sat(sockets, each)); };
  const std::uint64_t page = sample.memory.page_size;
  out.effects.push_back(
      {.of = "host",
       .metric = "idle_memory",
       .from = bytes(now, kIdleBytes),
       .to = bytes(count, kIdleBytes),
       .unit = "bytes",
       .bound = true,
       .formula = fmt::format("{} x 4 to 5 KiB (socket, inode, dentry, file, epoll item) = {} to {}, outside "
                              "tcp_mem; {} now",
                              with_commas(count), human_bytes(mul_sat(count, kLeastIdleBytes)),
                              human_bytes(mul_sat(count, kIdleBytes)), counted(now, "socket"))});
  out.effects.push_back({.of = "host",
                         .metric = "one_unread_message_each",
                         .from = bytes(now, page),
                         .to = bytes(count, page),
                         .unit = "bytes",
                         .formula = fmt::format("{} x one page of {} B, of tcp_mem[1] = {}", with_commas(count), page,
                                                human_bytes(tcp_mem_bytes(world, 1)))});
  const std::vector<Limit> limits = limits_of(world);
  for (const Limit& limit : limits) {
    out.limits.push_back({limit.name, limit.sockets >= count ? Holds::yes : Holds::no,
                          fmt::format("{}: {}", with_commas(limit.sockets), limit.formula)});
  }
  conclude(out, "");
  const auto always = std::ranges::find(limits, false, &Limit::sometimes);
  if (always == limits.end()) {
    out.summary = "no limit of this host could be read";
  } else {
    const bool breaks = always->sockets < count;
    out.summary = fmt::format("{} {}, at {}", breaks ? "the first to break is" : "no limit breaks; the next is",
                              always->name, with_commas(always->sockets));
  }
  for (const Limit& limit : limits) {
    if (limit.sometimes && limit.sockets < count)
      out.summary += fmt::format("; {} end at {}, where they count", limit.name, with_commas(limit.sockets));
  }
  out.memory = memory_checks(world, place_of(world), world.question.load.busy, count);
  return out;
}

Answer on_busy(const World& world, std::uint64_t count) {
  Answer out;
  out.asked = fmt::format("busy={}", count);
  const NetnsId place = place_of(world);
  const std::uint64_t both = both_maxima(world, place), mark = tcp_mem_bytes(world, 1), last = tcp_mem_bytes(world, 2);
  if (both == 0 || mark == 0) {
    conclude(out, "tcp_rmem, tcp_wmem or tcp_mem could not be read");
    return out;
  }
  const std::uint64_t seen = world.in.busy_connections(), ram = world.sample().host.mem_bytes;
  out.effects.push_back(
      {.of = "host",
       .metric = "worst_case_memory",
       .from = static_cast<double>(mul_sat(seen, both)),
       .to = static_cast<double>(mul_sat(count, both)),
       .unit = "bytes",
       .bound = true,
       .formula = fmt::format("{} x (tcp_rmem[2] + tcp_wmem[2] = {}); {} counted now, a handful at least",
                              with_commas(count), human_bytes(both), with_commas(seen))});
  auto limit = [&](std::string name, std::uint64_t bytes) {
    const std::uint64_t most = bytes / both;
    out.limits.push_back(
        {std::move(name), most >= count ? Holds::yes : Holds::no,
         fmt::format("{} connections: {} / {}", with_commas(most), human_bytes(bytes), human_bytes(both))});
    return most;
  };
  const std::uint64_t first = limit("80 % of tcp_mem[1]", to_u64(kShareOfTcpMem * static_cast<double>(mark)));
  limit("tcp_mem[1], pressure", mark);
  limit("tcp_mem[2], nothing more", last);
  if (ram > 0) limit("70 % of RAM", to_u64(kShareOfRam * static_cast<double>(ram)));
  conclude(out, "");
  const std::uint64_t fits = to_u64(kShareOfTcpMem * static_cast<double>(mark)) / count;
  out.summary = first >= count ? fmt::format("they fit: {} would", with_commas(first))
                               : fmt::format("tcp_mem[1] breaks first, from {} on; {} each would fit",
                                             with_commas(first), human_bytes(fits));
  out.memory = memory_checks(world, place, count, world.question.load.connections);
  return out;
}

/// Payload per byte of receive buffer, as flows of this host have it.
double measured_ratio(const Sample& sample, bool& measured) {
  std::vector<double> ratios;
  for (const SocketRow& row : sample.sockets) {
    if (row.state == TcpState::established && row.scaling_ratio.value_or(0) > 0 &&
        row.bytes_received.value_or(0) > 1 << 20)
      ratios.push_back(payload_ratio(row));
  }
  measured = !ratios.empty();
  if (!measured) return kUsualRatio;
  std::ranges::nth_element(ratios, ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2));
  return ratios[ratios.size() / 2];
}

Answer on_path(const World& world, double rate, double rtt_us) {
  Answer out;
  out.asked = fmt::format("rate={} rtt={}", rate_text(rate), ms_text(rtt_us));
  const NetnsId place = place_of(world);
  bool measured = false;
  const double bdp = rate * rtt_us / 1e6, ratio = measured_ratio(world.sample(), measured);
  struct Row {
    std::string_view knob;
    double carries;
    const char* words;
  };
  const Row rows[] = {{"net.ipv4.tcp_rmem", ratio, "window"}, {"net.ipv4.tcp_wmem", kCarries, "payload on its way"}};
  double slowest = rate;
  std::string_view holds;
  for (const Row& row : rows) {
    const std::uint64_t have = to_u64(world.then(place, row.knob, 2).value_or(0));
    const std::uint64_t least = to_u64(bdp / row.carries), wanted = pow2ceil(to_u64(2 * bdp / row.carries));
    const double carries = static_cast<double>(have) * row.carries / rtt_us * 1e6;
    out.limits.push_back(
        {fmt::format("{}[2]", row.knob), have >= least ? Holds::yes : Holds::no,
         fmt::format("{} carries {} ({:.2f} of it is {}); needed: BDP / {:.2f} = {}, and {} to repair a loss "
                     "meanwhile",
                     human_bytes(have), rate_text(carries), row.carries, row.words, row.carries, human_bytes(least),
                     human_bytes(wanted))});
    if (have > 0 && carries < slowest) {
      slowest = carries;
      holds = row.knob;
    }
  }
  const std::uint64_t widest = std::max(to_u64(world.then(place, "net.ipv4.tcp_rmem", 2).value_or(0)),
                                        to_u64(world.then(place, "net.core.rmem_max").value_or(0)));
  unsigned scale = 0;
  for (std::uint64_t space = widest; space > 65'535 && scale < 14; space >>= 1) ++scale;
  if (world.then(place, "net.ipv4.tcp_window_scaling").value_or(1) == 0) scale = 0;
  const double window = static_cast<double>(65'535ull << scale);
  out.limits.push_back({"window scale", window >= bdp ? Holds::yes : Holds::no,
                        fmt::format("{}: windows up to {}", scale, human_bytes(to_u64(window)))});
  if (window / rtt_us * 1e6 < slowest) {
    slowest = window / rtt_us * 1e6;
    holds = "the window scale";
  }
  out.effects.push_back(
      {.of = "one flow",
       .metric = "rate",
       .from = rate,
       .to = slowest,
       .unit = "bytes/s",
       .bound = true,
       .formula = fmt::format("BDP = {} x {} = {} = {} segments on their way; payload ratio {:.2f} {}", rate_text(rate),
                              ms_text(rtt_us), human_bytes(to_u64(bdp)), with_commas(to_u64(bdp) / kSegment + 1), ratio,
                              measured ? "as flows here have it" : "assumed, none was measured")});
  conclude(out, "");
  out.changes = !holds.empty();
  out.summary = holds.empty() ? "these settings carry it, if the path and the peer's do"
                              : fmt::format("{} breaks first: one flow gets at most {}", holds, rate_text(slowest));
  out.memory = memory_checks(world, place, world.question.load.busy, world.question.load.connections);
  return out;
}

}  // namespace

std::vector<Answer> on_load(const World& world) {
  const Load& load = world.question.load;
  std::vector<Answer> out;
  if (load.connections) out.push_back(on_connections(world, *load.connections));
  if (load.busy) out.push_back(on_busy(world, *load.busy));
  if (load.rate && load.rtt_us) out.push_back(on_path(world, *load.rate, *load.rtt_us));
  if (load.backlog) out.push_back(on_backlog(world, *load.backlog));
  if (load.burst) out.push_back(on_burst(world, *load.burst));
  return out;
}

}  // namespace tcpadvisor::whatif
