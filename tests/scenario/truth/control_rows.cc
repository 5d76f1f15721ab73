// SPDX-License-Identifier: Apache-2.0
// Nothing wrong, whatever it looks like; and what it looks like is proved as well.
#include "tests/scenario/truth/proofs.h"

namespace tcpadvisor::truth {
namespace {

constexpr Which kServers{.state = "ESTAB", .port = Port::local};
constexpr Which kBusyClients{.state = "ESTAB", .port = Port::remote};
constexpr double kFull = 1e6;

Row row(std::string_view name, std::string_view source, Proof proof, std::vector<std::string_view> never = {},
        bool measured = false) {
  return {.name = name,
          .source = source,
          .parts = {{.fault = name, .wanted = {}, .beside = {}, .proof = std::move(proof)}},
          .never = std::move(never),
          .measured = measured};
}

}  // namespace

const std::vector<Row>& control_rows() {
  static const std::vector<Row> all = [] {
    std::vector<Row> rows{
        row("idle", "C", stand({.state = "LISTEN"}, 1)),
        row("bulk", "C1", carries(1'000, kFull, "lo"),
            {"reader-too-slow", "rcvbuf-locked-by-app", "sndbuf-locked-by-app", "rcvbuf-bdp-autotune-cap",
             "sndbuf-bdp-autotune-cap", "retrans-cc-qdisc"},
            true),
        row("healthy", "C2",
            all_of({stand({.state = "TIME-WAIT", .port = Port::remote}, 2'000), rises("Tcp.PassiveOpens", 300)}),
            {"port-exhaustion", "fin-wait2-orphan-buildup", "backlog-too-small", "closed-socket-fd-leak"}),
        row("one-write", "C3", grows(kBusyClients, "bytes_acked", 50'000),
            {"nagle-delack-stall", "slow-start-after-idle"}, true),
        row("server-time-wait", "C2", stand({.state = "TIME-WAIT", .port = Port::local}, 10'000),
            {"port-exhaustion", "tw-bucket-overflow"}),
        row("bulk-far", "E01 E02c", all_of({carries(80, 120), grows(kServers, "bytes_received", 50e6)}),
            {"rcvbuf-locked-by-app", "rcvbuf-bdp-autotune-cap", "sndbuf-locked-by-app", "sndbuf-bdp-autotune-cap",
             "peer-window-limited"},
            true),
        row("writes-slowly", "R41", all_of({carries(3, 30), grows(kBusyClients, "bytes_acked", 5e6)}),
            {"sndbuf-locked-by-app", "sndbuf-bdp-autotune-cap", "peer-window-limited", "slow-start-after-idle"}, true),
        row("rmem-enough", "E30", all_of({carries(80, 120), has(kServers, "skmem.rb", 1e6, 0.8)}),
            {"rcvbuf-bdp-autotune-cap", "rcvbuf-locked-by-app"}, true),
        row("sndbuf-enough", "E03-cubic", all_of({carries(15, 25), has_at_most(kBusyClients, "skmem.tb", 262'144)}),
            {"sndbuf-locked-by-app", "rcvbuf-locked-by-app", "sndbuf-bdp-autotune-cap", "rcvbuf-bdp-autotune-cap"},
            true),
        row("reordering", "E13", all_of({at_far_end(rises("TcpExt.TCPOFOQueue", 50)), carries(10, 60)}),
            {"mtu-blackhole"}, true),
        row("bursts-bbr", "E16", grows(kBusyClients, "bytes_acked", 2e6), {"slow-start-after-idle"}, true),
        row("half-close", "C.0c",
            all_of({stand({.state = "FIN-WAIT-2", .port = Port::remote}),
                    grows({.state = "FIN-WAIT-2", .port = Port::remote}, "bytes_received", 1'000)}),
            {"fin-wait2-app-held", "close-wait-leak"}),
        row("idle-pool", "R20", stand({.state = "CLOSE-WAIT", .port = Port::remote}), {"fin-wait2-app-held"}),
        row("pool", "R51", stand(kBusyClients), {"established-growth", "close-wait-leak"}),
        row("busy-server", "C.0d", all_of({stand(kBusyClients), rises("Tcp.PassiveOpens", 300)}),
            {"established-growth", "port-exhaustion"}),
        row("closes-late", "R20", stand({.state = "CLOSE-WAIT", .port = Port::local}, 50), {"closed-socket-fd-leak"}),
        row("close-read", "E10", all_of({rises("Tcp.PassiveOpens", 200), rises_at_most("TcpExt.TCPAbortOnClose", 0)}),
            {"rst-on-close-unread"}),
        row("linger-aborts", "E10", rises("Tcp.OutRsts", 100), {"rst-on-close-unread"}),  // aborts are told as info
        row("prefork", "R15", rises("Tcp.PassiveOpens", 200), {"accept-queue-app-slow", "process-stopped"}),
        row("reuseport-even", "R48", all_of({stand({.state = "LISTEN"}), rises("Tcp.PassiveOpens", 200)}),
            {"reuseport-unbalanced"}),
        row("many-listeners", "R25", stand({.state = "LISTEN"}, 1), {"port-exhaustion"}),
        row("fast-open", "R19", rises("TcpExt.TCPFastOpenPassive", 100), {"syn-drops-not-overflow"}),
        row("defer-accept", "R19", rises("Tcp.PassiveOpens", 50),
            {"syn-drops-not-overflow", "backlog-too-small", "syn-flood-vs-overflow"}),
        row("keepalive", "R28", all_of({has_timer(kBusyClients, "keepalive"), rises("TcpExt.TCPKeepAlive", 100)}),
            {"close-wait-leak", "established-growth"}),
        row("few-at-a-time", "R15", all_of({rises("Tcp.PassiveOpens", 40), rises_at_most("TcpExt.ListenOverflows", 0)}),
            {"accept-queue-app-slow", "backlog-too-small"}),
        row("ipv6-first", "R42", rises("Tcp.AttemptFails", 50)),
        row("stray-segments", "R47", grows({.state = "LISTEN"}, "skmem.d", 0),
            {"syn-drops-not-overflow", "backlog-too-small", "syn-flood-vs-overflow"}),
    };
    Row reordered_peer;
    for (Row& one : rows) {
      if (one.name == "server-time-wait") {
        one.parts.front().wanted = {{"do-nothing", Who::anybody, Severity::info}};
      }
      if (one.name == "idle-pool") {
        one.parts.front().wanted = {{"close-wait-leak", Who::culprit, Severity::info}};
      }
      if (one.name == "reordering") {
        reordered_peer = one;
      }
      if (one.name.starts_with("bulk") || one.name.ends_with("-enough")) {
        one.limiter = Class::none;
      }
    }
    // What the sender cannot know, its receiver does.
    reordered_peer.name = "reordering-peer";
    reordered_peer.asked = End::far;
    reordered_peer.parts.front().wanted = {{"ooo-queue-pressure", Who::anybody, Severity::info}};
    rows.push_back(std::move(reordered_peer));
    return rows;
  }();
  return all;
}

}  // namespace tcpadvisor::truth
