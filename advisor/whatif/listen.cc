// SPDX-License-Identifier: Apache-2.0
// The queues of coming connections: how many have room, how long the last one waits, and who is turned away.
#include <fmt/format.h>

#include <algorithm>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/accept_queue.h"
#include "advisor/rules/words.h"
#include "advisor/whatif/accept.h"
#include "advisor/whatif/kinds.h"

namespace tcpadvisor::whatif {
namespace {

constexpr std::string_view kSomaxconn = "net.core.somaxconn";
constexpr double kQuiet = 0.5;  // connections a second: below it a rate says nothing

/// Connections that leave the accept queues of a namespace in a second: those that came, less what the queues grew.
double accepted_per_s(const World& world, NetnsId netns) {
  const Window& window = world.in.window;
  const double span = window.span_s(), came = window.increase(netns, "Tcp.PassiveOpens").value_or(0);
  double grown = 0;
  for (const QueueHistory& queue : world.in.accept_queues()) {
    if (queue.listener->netns == netns) grown += queue.waiting.last() - queue.waiting.first();
  }
  return span > 0 ? std::max(0.0, (came - grown) / span) : 0;
}

const QueueHistory* history_of(const World& world, const SocketRow& row) {
  for (const QueueHistory& queue : world.in.accept_queues()) {
    if (queue.listener == &row) return &queue;
  }
  return nullptr;
}

void add_wait(const World& world, const SocketRow& row, std::uint64_t from, std::uint64_t to, Answer& out) {
  const double rate = accepted_per_s(world, row.netns);
  const QueueHistory* queue = history_of(world, row);
  if (rate < kQuiet || queue == nullptr || queue->fill.max() < 1) return;
  auto wait = [&](std::uint64_t limit) { return static_cast<double>(limit + 1) / rate; };
  out.effects.push_back({.of = listener_text(world.sample(), row),
                         .metric = "accept_wait",
                         .from = wait(from),
                         .to = wait(to),
                         .unit = "s",
                         .bound = true,
                         .formula = fmt::format("(limit + 1) / {:.3g} accepted a second in this namespace", rate)});
}

void add_burst(const World& world, const SocketRow& row, std::uint64_t from, std::uint64_t to, Answer& out) {
  if (!world.question.load.burst) return;
  const std::uint64_t burst = *world.question.load.burst;
  const std::uint64_t here = row.accept_queue.value_or(0);
  auto away = [&](std::uint64_t limit) { return static_cast<double>(sub_sat(burst, sub_sat(limit + 1, here))); };
  out.effects.push_back(
      {.of = listener_text(world.sample(), row),
       .metric = "turned_away",
       .from = away(from),
       .to = away(to),
       .unit = "connections",
       .formula = fmt::format("burst {} - room {} (limit {} + 1, less {} that wait)", with_commas(burst),
                              with_commas(sub_sat(to + 1, here)), with_commas(to), with_commas(here))});
}

std::uint64_t overflows_of(const World& world, const SocketRow& row) {
  const QueueHistory* queue = history_of(world, row);
  return queue != nullptr && queue->overflowed() ? to_u64(queue->drops.value_or(0)) : 0;
}

void add_effects(const World& world, const SocketRow& row, std::uint64_t limit, bool bound, std::string formula,
                 Answer& out) {
  const std::uint64_t now = *row.accept_limit;
  out.effects.push_back({.of = listener_text(world.sample(), row),
                         .metric = "accept_queue_limit",
                         .from = static_cast<double>(now),
                         .to = static_cast<double>(limit),
                         .unit = "connections",
                         .bound = bound,
                         .formula = std::move(formula)});
  add_burst(world, row, now, limit, out);
  add_wait(world, row, now, limit, out);
  if (const std::uint64_t drops = overflows_of(world, row); drops > 0) {
    out.notes.push_back(fmt::format(
        "{}: {} of handshakes dropped for want of room while we looked, each try of a client counted; {} more "
        "connections would have waited instead",
        row.local.text(), counted(drops, "segment"), with_commas(sub_sat(limit, now))));
  }
}

/// What a longer queue does for who waits in it.
void note_meaning(const Answer& before, bool longer, Answer& out) {
  if (!before.changes) return;
  out.notes.emplace_back("it acts when the program calls listen() again: restart it, or let it do so");
  if (longer)
    out.notes.emplace_back(
        "a longer queue helps against bursts; where the program is too slow, clients only wait longer in it");
}

std::int64_t value_there(const World& world, NetnsId netns, std::string_view knob) {
  return world.now(netns, knob).value_or(0);
}

}  // namespace

Answer on_somaxconn(const World& world, const Asked& asked) {
  Answer out = begin(world, asked);
  std::uint64_t listeners = 0, largest = 0;
  const std::uint64_t then = to_u64(asked.values[0].value_or(0));
  bool longer = false;
  for (const SocketRow& row : world.sample().sockets) {
    if (row.state != TcpState::listen || !row.accept_limit) continue;
    ++listeners;
    const std::uint64_t limit = *row.accept_limit, now = to_u64(value_there(world, row.netns, kSomaxconn));
    largest = std::max(largest, limit);
    const bool cut = now > 0 && limit >= now;
    if (then >= limit && !(cut && then > now)) continue;
    if (then == limit) continue;
    longer = longer || then > limit;
    add_effects(world, row, then, then > limit,
                then > limit ? fmt::format("min(the number in listen(), {}); it is at least {} there",
                                           with_commas(then), with_commas(limit))
                             : fmt::format("min({}, {})", with_commas(limit), with_commas(then)),
                out);
  }
  conclude(out, listeners == 0
                    ? "no listener with a known limit was seen"
                    : fmt::format("none of {} is cut by it: the largest limit is {}, the number in its listen()",
                                  counted(listeners, "listener"), with_commas(largest)));
  if (out.changes) {
    const auto touched =
        static_cast<std::uint64_t>(std::ranges::count(out.effects, std::string("accept_queue_limit"), &Effect::metric));
    out.summary =
        fmt::format("{} would have {} queue", counted(touched, "listener"), longer ? "a longer" : "a shorter");
  }
  note_meaning(out, longer, out);
  return out;
}

Answer on_backlog(const World& world, std::uint64_t backlog) {
  Answer out;
  out.asked = fmt::format("backlog={}", backlog);
  std::uint64_t listeners = 0;
  bool longer = false;
  for (const SocketRow& row : world.sample().sockets) {
    if (row.state != TcpState::listen || !row.accept_limit) continue;
    ++listeners;
    const auto most = world.then(row.netns, kSomaxconn);
    const std::uint64_t limit = most ? std::min(backlog, to_u64(*most)) : backlog;
    if (limit == *row.accept_limit) continue;
    longer = longer || limit > *row.accept_limit;
    add_effects(world, row, limit, false,
                fmt::format("min(listen() {}, somaxconn {})", with_commas(backlog),
                            most ? with_commas(to_u64(*most)) : "unknown"),
                out);
  }
  conclude(out, listeners == 0 ? "no listener with a known limit was seen" : "every listener has that limit already");
  if (out.changes) out.summary = "listeners that call listen() with it would have these queues";
  note_meaning(out, longer, out);
  return out;
}

Answer on_burst(const World& world, std::uint64_t burst) {
  Answer out;
  out.asked = fmt::format("burst={}", burst);
  for (const SocketRow& row : world.sample().sockets) {
    if (row.state != TcpState::listen || !row.accept_limit) continue;
    const std::uint64_t room = sub_sat(std::uint64_t{*row.accept_limit} + 1, row.accept_queue.value_or(0));
    out.effects.push_back({.of = listener_text(world.sample(), row),
                           .metric = "turned_away",
                           .from = 0,
                           .to = static_cast<double>(sub_sat(burst, room)),
                           .unit = "connections",
                           .formula = fmt::format("burst {} - room {} (limit {} + 1, less {} that wait)",
                                                  with_commas(burst), with_commas(room), with_commas(*row.accept_limit),
                                                  with_commas(row.accept_queue.value_or(0)))});
  }
  std::erase_if(out.effects, [](const Effect& one) { return one.to == 0; });
  conclude(out, "every listener has room for so many while its program accepts nothing, or none was seen");
  if (out.changes) {
    out.summary = fmt::format("{} could not take all of it while their programs accept nothing",
                              counted(out.effects.size(), "listener"));
    out.notes.emplace_back(
        "who is turned away tries again after 1 s, 3 s, 7 s …; some clients believe that they are connected meanwhile");
  }
  return out;
}

Answer on_max_syn_backlog(const World& world, const Asked& asked) {
  Answer out = begin(world, asked);
  bool cookies = false;
  for (const NetnsSample* netns : world.places(*asked.knob)) {
    if (world.then(netns->id, "net.ipv4.tcp_syncookies").value_or(1) != 0) {
      cookies = true;
      continue;
    }
    const double dropped = world.in.window.increase(netns->id, "TcpExt.TCPReqQFullDrop").value_or(0);
    const auto now = static_cast<double>(world.now(netns->id, asked.knob->name).value_or(0));
    const auto then = static_cast<double>(asked.values[0].value_or(0));
    if (now == then) continue;
    out.effects.push_back({.of = "netns " + netns->name,
                           .metric = "half_open_limit",
                           .from = now * 0.75,
                           .to = then * 0.75,
                           .unit = "connections",
                           .bound = true,
                           .formula = fmt::format("3/4 of it for peers that are not known yet, and never more than the "
                                                  "listener's limit; {:.0f} SYNs were dropped for it while we looked",
                                                  dropped)});
  }
  conclude(out, cookies ? "net.ipv4.tcp_syncookies is not 0: with cookies nothing reads it; the queue ends at the "
                          "listener's limit, min(listen(), somaxconn)"
                        : "it is that already");
  if (out.changes) out.summary = "listeners could hold so many half-open connections";
  return out;
}

Answer on_abort_on_overflow(const World& world, const Asked& asked) {
  Answer out = begin(world, asked);
  for (const NetnsSample* netns : world.places(*asked.knob)) {
    const double overflows = world.in.window.increase(netns->id, "TcpExt.ListenOverflows").value_or(0);
    if (overflows <= 0 || world.now(netns->id, asked.knob->name) == asked.values[0]) continue;
    const bool on = asked.values[0].value_or(0) == 1;
    out.effects.push_back(
        {.of = "netns " + netns->name,
         .metric = "resets_to_clients",
         .from = on ? 0 : overflows,
         .to = on ? overflows : 0,
         .unit = "connections",
         .bound = true,
         .formula = fmt::format("{:.0f} ListenOverflows in {:.0f} s; each last ACK of a handshake among "
                                "them is answered with a reset",
                                overflows, world.in.window.span_s())});
  }
  conclude(out, "no accept queue overflowed while we looked");
  if (out.changes) out.summary = "clients whose connection finds no room would be reset, instead of waiting";
  return out;
}

}  // namespace tcpadvisor::whatif
