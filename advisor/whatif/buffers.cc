// SPDX-License-Identifier: Apache-2.0
// tcp_rmem and tcp_wmem: which flows have come to the end of their buffer, and what another end would let them carry.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/flow_limits.h"
#include "advisor/rules/words.h"
#include "advisor/whatif/gate.h"
#include "advisor/whatif/kinds.h"

namespace tcpadvisor::whatif {
namespace {

constexpr double kAtTheEnd = 0.95;              // of the maximum
constexpr double kUsesWindow = 0.75;            // of the window in a round trip: it is what holds the flow
constexpr double kWaitsForRoom = 0.05;          // of the busy time
constexpr double kLeastRate = 1e6 / 8;          // bytes per second: below it no buffer is asked for
constexpr double kLeastRttUs = 500;             // below it no buffer of a sensible size holds anything
constexpr double kCarries = 0.66;               // payload on its way per byte of send buffer, measured: 0.65 to 0.77
constexpr std::uint64_t kFirstWindow = 65'535;  // tcp_select_initial_window(): without a scale

struct Flow {
  const SocketRow* row = nullptr;
  double rate = 0, rtt_us = 0;   ///< bytes per second; the shortest round trip that was seen
  double buffer = 0, ratio = 1;  ///< bytes now; payload of a round trip per byte of it
  bool held = false;             ///< by the buffer, not by something else
};

/// What is known of those that are not held, for the reason why nothing changes.
struct Others {
  std::uint64_t locked = 0, unlisted = 0, moving = 0;
  double largest = 0;  ///< buffer
};

double shortest(const Window& window, const SocketRow& row, Side side) {
  double least = row.min_rtt_us.value_or(0);
  const Series seen = field(window, row, side == Side::receive ? &PastRow::rcv_rtt_us : &PastRow::srtt_us);
  if (!seen.empty() && seen.min() > 0) least = least > 0 ? std::min(least, seen.min()) : seen.min();
  return least;
}

bool held_receiver(const Window& window, const Flow& flow) {
  const SocketRow& row = *flow.row;
  // What it announces now is what it has announced less what came since: the most of many looks is the window.
  const double announced = field(window, row, &PastRow::rcv_wnd).max(), most = flow.buffer * flow.ratio;
  const Series unread = field(window, row, &PastRow::rmem_alloc);
  const double rtt = field(window, row, &PastRow::rcv_rtt_us).percentile(50);
  const bool keeps_up = unread.empty() || unread.percentile(50) <= 0.5 * flow.buffer;
  return keeps_up && flow.rate * rtt / 1e6 >= kUsesWindow * (announced > 0 ? std::min(announced, most) : most);
}

bool held_sender(const Window& window, const Flow& flow) {
  const double busy = field(window, *flow.row, &PastRow::busy_us).increase();
  const double waits = field(window, *flow.row, &PastRow::sndbuf_limited_us).increase();
  const double peer = field(window, *flow.row, &PastRow::rwnd_limited_us).increase();
  return busy > 0 && waits >= kWaitsForRoom * busy && waits > peer;
}

std::optional<Flow> flow_of(const Window& window, const SocketRow& row, Side side) {
  Flow out{.row = &row};
  const bool receive = side == Side::receive;
  const Series bytes = field(window, row, receive ? &PastRow::bytes_received : &PastRow::bytes_acked);
  out.rate = bytes.increase_per_s();
  out.rtt_us = shortest(window, row, side);
  out.buffer = std::max(field(window, row, receive ? &PastRow::rcvbuf : &PastRow::sndbuf).max(),
                        static_cast<double>((receive ? row.rcvbuf : row.sndbuf).value_or(0)));
  if (bytes.size() < 2 || out.rate < kLeastRate || out.rtt_us < kLeastRttUs || out.buffer <= 0) return std::nullopt;
  out.ratio = receive ? payload_ratio(row) : kCarries;
  out.held = receive ? held_receiver(window, out) : held_sender(window, out);
  return out;
}

bool is_locked(const SocketRow& row, Side side) {
  return row.locks && (side == Side::receive ? row.locks->rcvbuf : row.locks->sndbuf);
}

/// What the flow is bound to be with this maximum; nothing if it does not change for it.
std::optional<Effect> effect_on(const World& world, const Flow& flow, Side side, double cap, double other) {
  const bool at_end = flow.buffer >= kAtTheEnd * cap && flow.held;
  const double bdp = flow.rate * flow.rtt_us / 1e6;
  Effect out{.of = flow_text(world.sample(), *flow.row, side == Side::receive ? "<-" : "->"),
             .metric = "rate",
             .from = flow.rate,
             .unit = "bytes/s"};
  const double per_rtt = other * flow.ratio / flow.rtt_us * 1e6;  // what the buffer alone would carry
  if (at_end) {
    out.to = flow.rate * other / flow.buffer;
    out.bound = other > cap;
    out.formula = fmt::format("{} x {} / {}: this flow is held by its buffer; BDP = {} x {} = {}; {} of {} carries {}",
                              rate_text(flow.rate), human_bytes(to_u64(other)), human_bytes(to_u64(flow.buffer)),
                              rate_text(flow.rate), ms_text(flow.rtt_us), human_bytes(to_u64(bdp)),
                              side == Side::receive ? "window" : "buffer", human_bytes(to_u64(other * flow.ratio)),
                              rate_text(per_rtt));
    return out;
  }
  if (other >= cap || per_rtt >= flow.rate) return std::nullopt;
  out.to = per_rtt;
  out.formula = fmt::format("{} x {:.2f} payload / {} = {}; it needs BDP = {} x {} = {}", human_bytes(to_u64(other)),
                            flow.ratio, ms_text(flow.rtt_us), rate_text(per_rtt), rate_text(flow.rate),
                            ms_text(flow.rtt_us), human_bytes(to_u64(bdp)));
  return out;
}

struct Names {
  std::string_view knob, short_name, option, verb;
};
constexpr Names kReceive{"net.ipv4.tcp_rmem", "tcp_rmem", "SO_RCVBUF", "receives"};
constexpr Names kSend{"net.ipv4.tcp_wmem", "tcp_wmem", "SO_SNDBUF", "sends"};

std::string because(const Others& others, const Names& names, std::uint64_t cap, bool lower) {
  if (others.moving == 0) {
    std::string why = fmt::format("nothing {} much here over a path with a round trip", names.verb);
    if (others.locked > 0) {
      why += fmt::format("; {} of the host have a buffer that their program has fixed ({}), which {} does not touch",
                         counted(others.locked, "socket"), names.option, names.short_name);
    }
    return why;
  }
  if (lower) return fmt::format("{} fit into the smaller buffer", counted(others.moving, "flow"));
  return fmt::format("no flow is held by {}[2] = {}: of {} the largest buffer is {}", names.short_name,
                     human_bytes(cap), counted(others.moving, "flow"), human_bytes(to_u64(others.largest)));
}

/// What the first and the middle value do, which no flow that lasts shows.
void note_smaller_places(const World& world, const Asked& asked, NetnsId place, Side side, Answer& out) {
  if (asked.values.size() < 2) return;
  if (asked.values[1]) {
    const auto start = to_u64(*asked.values[1]);
    out.notes.push_back(
        side == Side::receive
            ? fmt::format("[1]: a new connection begins with {} of buffer, of which {} become window at once (half, at "
                          "most 64 KiB); an idle one holds none of it",
                          human_bytes(start), human_bytes(std::min(start / 2, kFirstWindow)))
            : fmt::format("[1]: a new connection begins with {} of buffer; an idle one holds none of it",
                          human_bytes(start)));
  }
  if (asked.values[0] && asked.values[0] != world.now(place, asked.knob->name, 0))
    out.notes.emplace_back("[0]: counts under memory pressure only: so much a connection may always have");
}

void note_time(Side side, bool larger, Answer& out) {
  if (side == Side::send) {
    out.notes.emplace_back("it acts at once, also on connections that stand");
  } else if (larger) {
    out.notes.emplace_back(
        "connections that stand mostly stay as they are: the kernel grows a buffer when more is read in a round trip "
        "than ever before, and their window scale is fixed; let them connect again");
  } else {
    out.notes.emplace_back(
        "connections that stand keep the buffer they have; those that begin later get the smaller one");
  }
}

void note_scale(const Flow& flow, double other, Answer& out) {
  const double most = static_cast<double>(65'535ull << std::min<unsigned>(flow.row->rcv_wscale.value_or(14), 14));
  if (!flow.row->rcv_wscale || most >= other * flow.ratio) return;
  std::string text = fmt::format("a window scale of {} ends at {}: such a connection must connect again to get more",
                                 *flow.row->rcv_wscale, human_bytes(to_u64(most)));
  if (std::ranges::find(out.notes, text) == out.notes.end()) out.notes.push_back(std::move(text));
}

Answer on_buffers(const World& world, const Asked& asked, Side side) {
  const Names& names = side == Side::receive ? kReceive : kSend;
  Answer out = begin(world, asked);
  Others others;
  std::uint64_t cap_seen = 0;
  bool lower = false, larger = false;
  NetnsId place = 0;
  for (const NetnsSample* netns : world.places(*asked.knob)) {
    const auto now = static_cast<double>(world.now(netns->id, names.knob, 2).value_or(0));
    const auto then = static_cast<double>(world.then(netns->id, names.knob, 2).value_or(0));
    if (place == 0) place = netns->id;
    if (now <= 0) continue;
    cap_seen = std::max(cap_seen, to_u64(now));
    lower = lower || then < now;
    larger = larger || then > now;
    for (const SocketRow* row : world.in.window.connections().in_state(TcpState::established)) {
      if (row->netns != netns->id) continue;
      if (is_locked(*row, side)) {
        ++others.locked;
        continue;
      }
      auto flow = flow_of(world.in.window, *row, side);
      if (!flow) continue;
      ++others.moving;
      others.largest = std::max(others.largest, flow->buffer);
      auto effect = then == now ? std::nullopt : effect_on(world, *flow, side, now, then);
      if (!effect) continue;
      if (side == Side::receive) note_scale(*flow, then, out);
      out.effects.push_back(std::move(*effect));
    }
  }
  if (!larger && !lower) {
    conclude(out, fmt::format("{}[2] is that already", names.short_name));
  } else {
    conclude(out, because(others, names, cap_seen, lower && !larger));
    note_time(side, larger, out);
  }
  if (out.changes) {
    out.summary = fmt::format("{} would carry {}", counted(out.effects.size(), "flow"), larger ? "more" : "less");
    if (larger) out.summary += ", if the path does";
    if (lower && larger) out.summary = fmt::format("{} would change", counted(out.effects.size(), "flow"));
  }
  note_smaller_places(world, asked, place, side, out);
  if (others.locked > 0 && out.changes) {
    out.notes.push_back(fmt::format("{} with a buffer fixed by its program ({}) stay as they are",
                                    counted(others.locked, "socket"), names.option));
  }
  if (larger) out.memory = memory_checks(world, place);
  return out;
}

}  // namespace

Answer on_tcp_rmem(const World& world, const Asked& asked) {
  return on_buffers(world, asked, Side::receive);
}

Answer on_tcp_wmem(const World& world, const Asked& asked) {
  return on_buffers(world, asked, Side::send);
}

}  // namespace tcpadvisor::whatif
