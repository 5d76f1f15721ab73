// SPDX-License-Identifier: Apache-2.0
// rmem_max and wmem_max: what programs may ask for with SO_RCVBUF and SO_SNDBUF, and nothing else of TCP.
#include <fmt/format.h>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/words.h"
#include "advisor/whatif/kinds.h"

namespace tcpadvisor::whatif {

namespace {

bool is_fixed(const SocketRow& row, bool receive) {
  return row.locks && (receive ? row.locks->rcvbuf : row.locks->sndbuf);
}

}  // namespace

Answer on_buffer_maximum(const World& world, const Asked& asked) {
  const bool receive = asked.knob->name.ends_with("rmem_max");
  const std::string_view option = receive ? "SO_RCVBUF" : "SO_SNDBUF", knob = asked.knob->name;
  Answer out = begin(world, asked);
  const std::uint64_t now = to_u64(world.now(0, knob).value_or(0)), then = to_u64(world.then(0, knob).value_or(0));
  std::uint64_t fixed = 0, unknown = 0;
  for (const SocketRow& row : world.sample().sockets) {
    if (row.kind != SocketKind::full || row.state == TcpState::time_wait) continue;
    unknown += row.locks ? 0 : 1;
    const std::uint64_t size = (receive ? row.rcvbuf : row.sndbuf).value_or(0);
    if (!is_fixed(row, receive) || size == 0) continue;
    ++fixed;
    const bool was_cut = now > 0 && size == mul_sat<std::uint64_t>(now, 2),
               is_cut = size > mul_sat<std::uint64_t>(then, 2);
    if (then == now || !(then > now ? was_cut : is_cut)) continue;
    out.effects.push_back(
        {.of = row.state == TcpState::listen ? listener_text(world.sample(), row)
                                             : flow_text(world.sample(), row, receive ? "<-" : "->"),
         .metric = receive ? "rcvbuf" : "sndbuf",
         .from = static_cast<double>(size),
         .to = static_cast<double>(mul_sat<std::uint64_t>(then, 2)),
         .unit = "bytes",
         .bound = then > now,
         .formula = fmt::format("{} is 2 x min(what the program asks for, {} = {}): {}", option, knob,
                                human_bytes(then), then > now ? "it asked for more than it got" : "it has more")});
  }
  if (fixed == 0 && unknown > 0) {
    conclude(out, fmt::format("no socket is known to set {}; of {} that cannot be seen", option,
                              counted(unknown, "socket")));
  } else if (fixed == 0) {
    conclude(out, fmt::format("no program sets {}: buffers that the kernel sizes go by {}[2], not by this", option,
                              receive ? "tcp_rmem" : "tcp_wmem"));
  } else {
    conclude(out, then == now ? "it is that already"
                              : fmt::format("of {} with {} set none is {}", counted(fixed, "socket"), option,
                                            then > now ? "cut by it" : "larger"));
  }
  if (out.changes) {
    out.summary = fmt::format("{} would have a {} buffer the next time they set {}",
                              counted(out.effects.size(), "socket"), then > now ? "larger" : "smaller", option);
  }
  if (receive) {
    out.notes.emplace_back(
        "new connections also choose their window scale by the larger of this and tcp_rmem[2]; UDP and QUIC use it, "
        "too");
  }
  return out;
}

}  // namespace tcpadvisor::whatif
