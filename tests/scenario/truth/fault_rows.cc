// SPDX-License-Identifier: Apache-2.0
// One fault at a time. The path between two namespaces is a device called fault0; its rate is in tcpfault.
#include <map>

#include "tests/scenario/truth/proofs.h"

namespace tcpadvisor::truth {
namespace {

constexpr Which kClients{.state = "ESTAB", .port = Port::remote, .held = Held::by_anybody};
constexpr Which kReader{.state = "ESTAB", .port = Port::local, .held = Held::by_culprit};
constexpr Which kSender{.state = "ESTAB", .port = Port::remote, .held = Held::by_culprit};
constexpr Which kLeft{.state = "CLOSE-WAIT", .port = Port::local, .held = Held::by_culprit};
constexpr Which kUnaccepted{.state = "CLOSE-WAIT", .port = Port::local, .held = Held::by_nobody};
constexpr Which kListener{.state = "LISTEN", .port = Port::local, .held = Held::by_anybody};
constexpr double kEmptyPath = 1.25;  // rtt / minrtt

Row row(std::string_view name, std::string_view source, std::vector<Want> wanted, Proof proof,
        std::vector<std::string_view> never = {}) {
  return {.name = name,
          .source = source,
          .parts = {{.fault = name, .wanted = std::move(wanted), .beside = {}, .proof = std::move(proof)}},
          .never = std::move(never)};
}

Row measured(Row row) {
  row.measured = true;
  return row;
}

/// As its sender has it: it waits for room at this end, and no queue stands on the path. On a machine that is too busy
/// one does, and then something else limits the flow as well.
Proof held_by_window() {
  return at_far_end(all_of({grows(kClients, "rwnd_limited", 500), queue_on_path(kClients, 0.9, kEmptyPath)}));
}

std::vector<Row> not_closed() {
  return {
      row("close-wait", "E06 R20", {{"close-wait-leak"}}, all_of({stand(kLeft), stays(kLeft, "bytes_sent")}),
          {"fin-wait2-orphan-buildup", "reader-too-slow"}),
      row("close-wait-unaccepted", "R46", {{"close-wait-unaccepted"}}, stand(kUnaccepted),
          {"close-wait-leak", "accept-queue-app-slow", "backlog-too-small"}),
      row("never-accepts", "R46", {{"listener-never-accepts"}},
          all_of({stand({.state = "ESTAB", .port = Port::local, .held = Held::by_nobody}),
                  rises_at_most("TcpExt.ListenOverflows", 0)}),
          {"accept-queue-app-slow", "backlog-too-small", "syn-drops-not-overflow"}),
      row("fin-wait2-held", "E07 R23", {{"fin-wait2-app-held"}},
          stand({.state = "FIN-WAIT-2", .port = Port::remote, .held = Held::by_culprit}), {"fin-wait2-orphan-buildup"}),
      row("fin-wait2-orphan", "R22", {{"fin-wait2-orphan-buildup", Who::anybody}},
          stand({.state = "FIN-WAIT-2", .port = Port::remote, .held = Held::by_nobody}, 300),
          {"fin-wait2-app-held", "close-wait-leak"}),
      row("closed-fd-leak", "E06b R21", {{"closed-socket-fd-leak"}}, descriptors_without_socket(), {"close-wait-leak"}),
      row("swept-leak", "R20", {{"close-wait-leak"}},
          stand({.state = "CLOSE-WAIT", .port = Port::remote, .held = Held::by_culprit}, 40, 0.4),
          {"closed-socket-fd-leak"}),
      row("relay", "R52", {{"close-wait-leak"}},
          stand({.state = "CLOSE-WAIT", .port = Port::free, .held = Held::by_culprit}), {"reader-too-slow"}),
      row("inherited", "R20", {{"close-wait-leak"}}, stand(kLeft)),
      row("zombie-leader", "R20", {{"close-wait-leak"}},
          all_of({process_is('Z'), stand({.state = "CLOSE-WAIT", .port = Port::local})})),
      row("socket-activation", "R46", {{"close-wait-unaccepted"}}, stand(kUnaccepted), {"close-wait-leak"}),
      row("passed-on", "R20", {{"close-wait-leak", Who::anybody}, {"reader-too-slow", Who::anybody}},
          stand({.state = "CLOSE-WAIT", .port = Port::local}), {"closed-socket-fd-leak"}),
      row("close-unread", "E10 R29", {{"rst-on-close-unread", Who::anybody, Severity::info}},
          rises("TcpExt.TCPAbortOnClose", 50), {"close-wait-leak"}),
      row("established-growth", "R51", {{"established-growth"}},
          all_of({stand(kSender, 20), grows(kSender, "segs_out", 100)}), {"close-wait-leak", "closed-socket-fd-leak"}),
  };
}

std::vector<Row> ends() {
  constexpr Which kOrphans{.state = "FIN-WAIT-1", .port = Port::remote, .held = Held::by_nobody};
  return {
      row("orphans", "E09 R27", {{"orphan-buildup", Who::anybody, Severity::info}},
          all_of({stand(kOrphans), has_timer(kOrphans, "persist"), stays(kOrphans, "bytes_acked")}),
          {"fin-wait2-orphan-buildup", "send-queue-dead-peers", "close-wait-leak"}),
      row("linger-close", "E23 R30", {{"so-linger-misuse", Who::anybody}},
          all_of({stand({.state = "FIN-WAIT-1", .port = Port::remote}), process_is('S')}),
          {"reader-too-slow", "orphan-buildup"}),
      row("linger-loses", "E10 R30", {{"so-linger-misuse"}}, rises("TcpExt.TCPAbortOnData", 20),
          {"rst-on-close-unread"}),
      row("vanished-clients", "E19 R28", {{"established-dead-peer-leak"}},
          all_of({stand(kReader), stays(kReader, "bytes_received"), none_stand(kClients),
                  rises_at_most("TcpExt.TCPKeepAlive", 0)}),
          {"established-growth", "close-wait-leak"}),
      row("stands-still", "S9", {{"unread-forgotten"}},
          all_of({stand(kReader, 20), has(kReader, "recv_q", 5), stays(kReader, "recv_q")}),
          {"rcvbuf-locked-by-app", "reader-too-slow", "close-wait-leak", "listener-never-accepts"}),
      row("unread-forgotten", "S9", {{"unread-forgotten"}},
          all_of({stand(kReader), has(kReader, "recv_q", 20), stays(kReader, "recv_q")}),
          {"rcvbuf-locked-by-app", "reader-too-slow", "close-wait-leak"}),
      row("connection-per-request", "R24", {{"connection-per-request", Who::anybody, Severity::info}},
          rises("Tcp.ActiveOpens", 150), {"port-exhaustion", "connects-fail"}),
  };
}

std::vector<Row> listeners() {
  return {
      row("accept-slow", "E04 R15", {{"accept-queue-app-slow"}},
          all_of({accept_queue(0.9, 0.8), rises("TcpExt.ListenOverflows", 100)}),
          {"backlog-too-small", "close-wait-leak", "close-wait-unaccepted"}),
      measured(row("backlog-small", "E05 R16", {{"backlog-too-small"}},
                   all_of({rises("TcpExt.ListenOverflows", 50), accept_queue_moves(0.5), backlog_is(8)}),
                   {"accept-queue-app-slow", "close-wait-leak"})),
      measured(row("somaxconn-small", "E05b R16", {{"backlog-too-small", Who::anybody}},
                   all_of({rises("TcpExt.ListenOverflows", 50), accept_queue_moves(0.5), backlog_is(16),
                           setting_is("net/core/somaxconn", "16")}),
                   {"accept-queue-app-slow"})),
      row("reuseport-stuck", "R48", {{"reuseport-unbalanced"}}, stand({.state = "ESTAB", .held = Held::by_nobody}, 5),
          {"listener-never-accepts", "accept-queue-app-slow", "backlog-too-small"}),
      row("md5-missing", "R47", {{"syn-drops-not-overflow"}},
          all_of({rises("TcpExt.TCPMD5NotFound", 5), rises_at_most("TcpExt.ListenOverflows", 0)}),
          {"backlog-too-small", "accept-queue-app-slow"}),
      row("socket-filter", "C.0a R47", {{"syn-drops-not-overflow"}},
          all_of({grows(kListener, "skmem.d", 5), rises_at_most("TcpExt.ListenOverflows", 0)}),
          {"backlog-too-small", "accept-queue-app-slow"}),
      row("defer-silent", "R19", {{"defer-fastopen-lint", Who::anybody, Severity::info}},
          all_of({rises("TcpExt.TCPDeferAcceptDrop", 40), stand({.state = "SYN-RECV", .port = Port::local}, 15, 0.9)}),
          {"syn-flood-vs-overflow", "backlog-too-small", "syn-drops-not-overflow"}),
      row("syn-flood", "E05x R17", {{"syn-flood-vs-overflow"}},
          all_of({rises("TcpExt.SyncookiesSent", 500), rises_at_most("TcpExt.SyncookiesRecv", 5)}),
          {"backlog-too-small", "accept-queue-app-slow", "syn-drops-not-overflow"}),
      // Its bursts are larger than its queue: that they are refused is the setting's, that there is no room the
      // backlog's.
      row("abort-on-overflow", "E04b R18", {{"abort-on-overflow-set", Who::anybody}, {"backlog-too-small"}},
          all_of({setting_is("net/ipv4/tcp_abort_on_overflow", "1"), rises("Tcp.OutRsts", 10),
                  rises("TcpExt.ListenOverflows", 10)})),
  };
}

std::vector<Row> processes() {
  return {
      row("slow-reader", "E11 R07", {{"reader-too-slow"}},
          all_of({has(kReader, "recv_q", 65'536), stays(kReader, "bytes_received"), has_timer(kClients, "persist")}),
          {"rcvbuf-locked-by-app", "sndbuf-locked-by-app", "tcp-mem-pressure-global"}),
      row("orphans-unsent", "E09 R07", {{"reader-too-slow"}},
          all_of({stand({.state = "FIN-WAIT-1", .port = Port::remote, .held = Held::by_nobody}),
                  rises("TcpExt.TCPWinProbe", 20)}),
          {"close-wait-leak", "fin-wait2-orphan-buildup"}),
      row("tiny-segments", "E12b R08", {{"rcv-collapse-prune", Who::culprit, Severity::info}},
          all_of({rises("TcpExt.PruneCalled", 1), rises("TcpExt.TCPRcvCollapsed", 50),
                  has(kReader, "recv_q", 65'536, 0.6)}),
          {"rcvbuf-bdp-autotune-cap"}),
      row("tiny-bursts", "E12b R08", {{"rcv-collapse-prune", Who::anybody}},
          all_of({rises("TcpExt.TCPRcvCollapsed", 8'000), has_at_most(kReader, "recv_q", 32'768)}),
          {"rcvbuf-bdp-autotune-cap", "reader-too-slow"}),
      row("cgroup-full", "R12", {{"memcg-socket-pressure", Who::anybody}},
          all_of({stand(kReader), rises("TcpExt.TCPRcvQDrop", 10)}),
          {"tcp-mem-pressure-global", "rcvbuf-bdp-autotune-cap", "rcvbuf-locked-by-app"}),
      row("fork-server", "R07", {{"reader-too-slow"}},
          all_of({has(kReader, "recv_q", 16'384), has_timer(kClients, "persist")}), {"close-wait-leak"}),
      row("relay-stuck", "R52", {{"reader-too-slow"}},
          has({.state = "ESTAB", .port = Port::free, .held = Held::by_culprit}, "recv_q", 16'384),
          {"close-wait-leak", "rcvbuf-locked-by-app"}),
      row("process-stopped", "R50", {{"process-stopped"}}, process_is('T'),
          {"accept-queue-app-slow", "backlog-too-small", "send-queue-dead-peers"}),
      row("workers-stopped", "R50", {{"process-stopped"}}, process_is('T'), {"accept-queue-app-slow"}),
      row("fd-limit", "R45", {{"fd-limit-reached"}}, all_of({descriptors_at_limit(), has(kListener, "recv_q", 10)}),
          {"accept-queue-app-slow", "backlog-too-small"}),
      row("peer-not-reading", "R43", {{"peer-not-reading"}},
          all_of({stand(kSender), has_timer(kSender, "persist"), stays(kSender, "bytes_acked")}),
          {"hidden-user-queue", "send-queue-dead-peers", "reader-too-slow", "sndbuf-locked-by-app"}),
      row("dead-peers", "R14", {{"send-queue-dead-peers"}},
          all_of({stand(kSender), has_timer(kSender, "on"), stays(kSender, "bytes_acked"),
                  rises("TcpExt.TCPTimeouts", 30)}),
          {"peer-not-reading", "sndbuf-locked-by-app", "tcp-mem-pressure-global"}),
      row("hidden-user-queue", "R44", {{"peer-not-reading"}, {"hidden-user-queue"}},
          all_of({has_timer(kSender, "persist"), memory_grows(8'000)}), {"reader-too-slow", "sndbuf-locked-by-app"}),
      row("backlog-drops", "E18c R40", {{"tcp-backlog-drop"}}, rises("TcpExt.TCPBacklogDrop", 1),
          {"retrans-cc-qdisc", "rcvbuf-locked-by-app"}),
      measured(row("nagle-stall", "E14 R32", {{"nagle-delack-stall"}},
                   all_of({rises("TcpExt.DelayedACKs", 100), rises_at_most("Tcp.RetransSegs", 0)}),
                   {"retrans-cc-qdisc", "rcvbuf-locked-by-app"})),
  };
}

std::vector<Row> connects() {
  constexpr Which kTrying{.state = "SYN-SENT", .port = Port::remote};
  return {
      row("connect-refused", "R42", {{"connects-fail"}, {"reset-attribution", Who::anybody, Severity::info}},
          all_of({nobody_listens(), rises("Tcp.AttemptFails", 50)})),
      row("connect-no-answer", "R42", {{"connects-fail"}},
          all_of({stand(kTrying, 8, 0.6), rises("TcpExt.TCPSynRetrans", 8)})),
      row("connect-no-route", "R42", {{"connects-fail"}}, rises("Ip.OutNoRoutes", 50)),
      row("connect-given-up", "R42", {{"connects-fail"}},
          all_of({stand(kTrying, 1, 0.6), rises("Tcp.ActiveOpens", 4), rises_at_most("TcpExt.TCPAbortOnTimeout", 0)})),
      row("connect-no-port", "E08 R25", {{"port-exhaustion"}}, stand({.state = "TIME-WAIT", .port = Port::remote}),
          {"tw-bucket-overflow"}),
      row("connect-listener-full", "R42 R15", {{"accept-queue-app-slow"}},
          all_of({accept_queue(1), stand(kTrying, 1, 0.6)})),
      row("time-wait-overflow", "E08f R26", {{"tw-bucket-overflow", Who::anybody}},
          all_of({rises("TcpExt.TCPTimeWaitOverflow", 50), setting_is("net/ipv4/tcp_max_tw_buckets", "30")}),
          {"port-exhaustion"}),
      row("recovery-settings", "C", {{"recovery-settings", Who::anybody, Severity::info}},
          setting_is("net/ipv4/tcp_sack", "0")),
  };
}

std::vector<Row> paths() {
  std::vector<Row> rows{
      row("rcvbuf-locked", "E02 R02", {{"rcvbuf-locked-by-app"}},
          all_of({carries(5, 60), has(kReader, "skmem.rb", 131'072), has_at_most(kReader, "skmem.rb", 131'072),
                  has_at_most(kReader, "recv_q", 65'536, 0.8), held_by_window()}),
          {"reader-too-slow", "sndbuf-locked-by-app"}),
      row("sndbuf-locked", "E03 R04", {{"sndbuf-locked-by-app"}},
          all_of({carries(5, 60), has_at_most(kSender, "skmem.tb", 131'072), grows(kSender, "sndbuf_limited", 500),
                  queue_on_path(kSender, 0.9, kEmptyPath)}),
          {"reader-too-slow", "rcvbuf-locked-by-app"}),
      row("rmem-capped", "E03b R01", {{"rcvbuf-bdp-autotune-cap"}},
          all_of({carries(5, 50), has_at_most(kReader, "skmem.rb", 131'072),
                  setting_is("net/ipv4/tcp_rmem", "4096 87380 131072"), held_by_window(),
                  has_at_most(kReader, "recv_q", 65'536, 0.8)}),
          {"reader-too-slow", "rcvbuf-locked-by-app", "sndbuf-bdp-autotune-cap"}),
      row("moderate-off", "R06", {{"mem-max-relation", Who::anybody}},
          all_of({carries(5, 60), setting_is("net/ipv4/tcp_moderate_rcvbuf", "0"), held_by_window()}),
          {"rcvbuf-bdp-autotune-cap", "rcvbuf-locked-by-app", "reader-too-slow"}),
      row("wmem-capped", "E03c R03", {{"sndbuf-bdp-autotune-cap"}},
          all_of({carries(5, 50), has_at_most(kSender, "skmem.tb", 131'072), grows(kSender, "sndbuf_limited", 500),
                  queue_on_path(kSender, 0.9, kEmptyPath), setting_is("net/ipv4/tcp_wmem", "4096 16384 131072")}),
          {"reader-too-slow", "sndbuf-locked-by-app", "rcvbuf-bdp-autotune-cap"}),
      row("messages-wait", "E15 R33", {{"send-queue-bufferbloat"}},
          all_of({has(kSender, "notsent", 100'000, 0.7), carries(10, 30)}),
          {"sndbuf-bdp-autotune-cap", "peer-window-limited", "rcvbuf-bdp-autotune-cap"}),
      row("slow-reader-far", "E03d R07", {{"reader-too-slow"}},
          all_of({has(kReader, "recv_q", 65'536, 0.7), carries(5, 60)}),
          {"rcvbuf-locked-by-app", "sndbuf-locked-by-app", "rcvbuf-bdp-autotune-cap"}),
      row("lossy-path", "E27 R36", {{"retrans-cc-qdisc"}},
          all_of({loses(kSender, 0.005), queue_on_path(kSender, 0.9, 1.3), carries(1, 60)}),
          {"mtu-blackhole", "reader-too-slow"}),
      row("local-filter", "R36", {{"retrans-cc-qdisc"}},
          all_of({loses(kSender, 0.003), queue_on_path(kSender, 0.9, 1.3), carries(1, 60)}),
          {"mtu-blackhole", "reader-too-slow"}),
      row("slow-bursts", "E16 R35", {{"slow-start-after-idle"}},
          all_of({swings(kSender, "cwnd", 4), stays(kSender, "retrans"), grows(kSender, "bytes_acked", 2e6),
                  setting_is("net/ipv4/tcp_slow_start_after_idle", "1")}),
          {"retrans-cc-qdisc", "sndbuf-locked-by-app"}),
      row("mtu-blackhole", "E17 R37", {{"mtu-blackhole"}},
          all_of({has({.state = "ESTAB", .port = Port::remote, .held = Held::by_culprit}, "send_q", 1'000),
                  has_timer(kSender, "on"), stays(kSender, "bytes_acked"), grows(kClients, "segs_in", 20)}),
          {"retrans-cc-qdisc", "peer-not-reading"}),
      // The same, as the other end sees it.
      row("rcvbuf-locked-peer", "E02 R05", {{"peer-window-limited", Who::peer, Severity::info}},
          all_of({carries(5, 60), held_by_window()}), {"sndbuf-bdp-autotune-cap"}),
      row("rmem-capped-peer", "E03b R05", {{"peer-window-limited", Who::peer, Severity::info}},
          all_of({carries(5, 50), held_by_window()}), {"sndbuf-bdp-autotune-cap"}),
  };
  rows.push_back(row("full-path", "E27c R36", {{"retrans-cc-qdisc", Who::culprit, Severity::info}},
                     all_of({loses(kSender, 0.001, 0.1), queue_on_path(kSender, 1.5, 10), carries(15, 25)}),
                     {"mtu-blackhole", "sndbuf-bdp-autotune-cap", "sndbuf-locked-by-app"}));
  Row crowd = rows.back();
  crowd.name = "full-path-crowd";
  crowd.parts.front().arguments = {"--count", "24"};
  crowd.parts.front().proof = all_of({loses(kSender, 0.01, 0.3), has(kSender, "rtt", 30, 0.9), carries(15, 25)});
  rows.push_back(std::move(crowd));
  for (Row& one : rows) {
    one.measured = one.name != "mtu-blackhole";
    if (one.name.ends_with("-peer")) {
      one.parts.front().fault.remove_suffix(5);
      one.asked = End::far;
    }
  }
  return rows;
}

}  // namespace

const std::vector<Row>& fault_rows() {
  static const std::map<std::string_view, Class> limiters{
      {"slow-reader", Class::application},
      {"slow-reader-far", Class::application},
      {"process-stopped", Class::application},
      {"nagle-stall", Class::application},
      {"sndbuf-locked", Class::sender_buffer},
      {"wmem-capped", Class::sender_buffer},
      {"rcvbuf-locked", Class::receiver_window},
      {"rmem-capped", Class::receiver_window},
      {"moderate-off", Class::receiver_window},
      {"full-path", Class::congestion},
      {"full-path-crowd", Class::congestion},
      {"lossy-path", Class::path},
      {"mtu-blackhole", Class::path},
      {"peer-not-reading", Class::peer},
      {"dead-peers", Class::peer},
      {"rcvbuf-locked-peer", Class::peer},
      {"rmem-capped-peer", Class::peer},
  };
  static const std::vector<Row> all = [] {
    std::vector<Row> out;
    for (std::vector<Row> (*group)() : {not_closed, ends, listeners, processes, connects, paths}) {
      for (Row& one : group()) {
        if (one.name == "tiny-segments") {
          one.parts.front().beside = {"reader-too-slow"};  // as it is, for a second at a time
        }
        if (const auto limiter = limiters.find(one.name); limiter != limiters.end()) {
          one.limiter = limiter->second;
        }
        out.push_back(std::move(one));
      }
    }
    return out;
  }();
  return all;
}

}  // namespace tcpadvisor::truth
