// SPDX-License-Identifier: Apache-2.0
// Seven questions that people come with, and what has to be answered. Some are faults of other rows under their own
// names.
#include "tests/scenario/truth/proofs.h"

namespace tcpadvisor::truth {
namespace {

constexpr Which kFree{.state = "ESTAB", .port = Port::free};
constexpr Which kStoryClients{.state = "ESTAB", .port = Port::remote};

Row row(std::string_view name, std::string_view source, std::string_view fault, std::vector<Want> wanted, Proof proof,
        std::vector<std::string_view> never) {
  return {.name = name,
          .source = source,
          .parts = {{.fault = fault, .wanted = std::move(wanted), .beside = {}, .proof = std::move(proof)}},
          .never = std::move(never)};
}

/// What no story about a program's own queue may be answered with.
const std::vector<std::string_view> kNoSetting{"sndbuf-bdp-autotune-cap", "rcvbuf-bdp-autotune-cap",
                                               "tcp-mem-pressure-global", "sndbuf-locked-by-app"};

}  // namespace

const std::vector<Row>& story_rows() {
  static const std::vector<Row> all = [] {
    std::vector<Row> rows{
        // "Was it sent? Did it fail?" The client does not read; so many bytes are at risk in the driver's queue.
        row("S1", "Erlang", "port:s1", {{"pending-shutdown-data"}},
            all_of({has(kFree, "send_q", 65'536, 0.5), has(kFree, "recv_q", 65'536, 0.5)}), kNoSetting),
        row("S1-classic", "Erlang", "port:s1-classic", {{"pending-shutdown-data"}},
            all_of({has(kFree, "recv_q", 65'536, 0.5)}), kNoSetting),
        // "Which send blocks?" Not the fourth: the kernel's smallest buffer holds far more than the 1 that was asked
        // for.
        row("S2", "Erlang", "port:s2", {{"user-queue-watermark"}}, has(kFree, "send_q", 1, 0.5), kNoSetting),
        // "Suspended although the driver's queue is short": the queue of messages in front of it holds them.
        row("S3", "Erlang", "port:s3", {{"message-queue-holds-senders"}}, stand(kFree, 2), kNoSetting),
        // "What grows?" A far node that is slow, and sends that nothing holds back.
        row("S4", "Erlang", "port:s4", {{"user-queue-unbounded"}, {"user-queue-unbounded"}, {"user-queue-watermark"}},
            has(kFree, "send_q", 1, 0.5), kNoSetting),
        // "How large must buffers be?" Bandwidth x delay of this path, in a namespace whose maximum is smaller.
        row("S5", "BDP", "rmem-capped", {{"rcvbuf-bdp-autotune-cap"}},
            all_of({carries(5, 50), setting_is("net/ipv4/tcp_rmem", "4096 87380 131072"),
                    at_far_end(grows(kStoryClients, "rwnd_limited", 500))}),
            {"reader-too-slow", "rcvbuf-locked-by-app", "sndbuf-bdp-autotune-cap"}),
        // "Nothing seems to leak": a client forgets connections, and a collector closes them in bursts.
        row("S6", "Go", "swept-leak", {{"close-wait-leak"}},
            stand({.state = "CLOSE-WAIT", .port = Port::remote, .held = Held::by_culprit}, 40, 0.4),
            {"closed-socket-fd-leak"}),
        // The same without a time-out at the server: both ends stay established for ever.
        row("S6-open", "Go", "established-growth", {{"established-growth"}},
            stand({.state = "ESTAB", .port = Port::remote, .held = Held::by_culprit}, 20),
            {"close-wait-leak", "closed-socket-fd-leak"}),
        // The collector comes four times a second: no number of connections tells, only how they are closed.
        row("S6-swept", "Go", "collected", {{"closes-in-bursts"}},
            all_of({rises("Tcp.ActiveOpens", 200),
                    stand({.state = "ESTAB", .port = Port::remote, .held = Held::by_culprit}, 2, 0.5)}),
            {"close-wait-leak", "established-growth", "closed-socket-fd-leak"}),
        // "Where is the memory of a million idle connections?" A few hundred here, and marks that fit them.
        row("S7", "memory", "pool", {{"high-connection-memory-budget", Who::anybody, Severity::info}},
            stand(kStoryClients, 300), {"established-growth", "close-wait-leak", "established-dead-peer-leak"}),
    };
    rows[5].measured = true;
    rows.back().thresholds = "[rule.high-connection-memory-budget]\nmany_sockets = 100\nshare_of_memory = 0.000001\n";
    return rows;
  }();
  return all;
}

}  // namespace tcpadvisor::truth
