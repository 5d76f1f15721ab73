// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "advisor/explain/words.h"

namespace tcpadvisor::explain {
namespace {

// clang-format off: a table
constexpr auto kRules = std::to_array<RuleWords>({
    {"process-stopped", FindingClass::application, {{{"net.core.somaxconn, net.ipv4.tcp_rmem", "longer queues hold more that nobody looks at"}, {"net.ipv4.tcp_keepalive_*", "its kernel answers the probes of the peers"}}}},
    {"fd-limit-reached", FindingClass::capacity, {{{"net.core.somaxconn, the listen() backlog", "a longer queue only holds more connections that nobody can accept"}, {"fs.file-max", "the limit of the whole host; it fails with ENFILE, and for all processes"}, {"more accepting threads", "they share the process' limit"}}}},
    {"close-wait-leak", FindingClass::application, {{{"net.ipv4.tcp_fin_timeout", "it ends FIN_WAIT_2 of sockets that are closed already; CLOSE_WAIT has no timer"}, {"net.ipv4.tcp_keepalive_*", "acts only with SO_KEEPALIVE, and then frees the connection but not the descriptor"}, {"net.ipv4.tcp_tw_reuse", "concerns TIME_WAIT, which is the other end of a clean close"}}}},
    {"close-wait-unaccepted", FindingClass::application, {{{"net.core.somaxconn", "a longer queue only holds more connections that nobody serves"}, {"net.ipv4.tcp_fin_timeout", "CLOSE_WAIT has no timer"}}}},
    {"closed-socket-fd-leak", FindingClass::application, {{{"net.ipv4.tcp_keepalive_*", "ends connections, never closes a descriptor"}, {"ulimit -n", "a higher limit only moves the day on which it is reached"}}}},
    {"fin-wait2-app-held", FindingClass::application, {{{"net.ipv4.tcp_fin_timeout", "it starts at close(); a socket that still has a descriptor never times out"}, {"net.ipv4.tcp_max_tw_buckets", "these are full sockets, not TIME_WAIT entries"}}}},
    {"fin-wait2-orphan-buildup", FindingClass::peer, {{{"net.ipv4.tcp_tw_reuse", "concerns TIME_WAIT of outgoing connections"}, {"net.ipv4.tcp_max_tw_buckets (lower)", "ends connections early, peers see resets"}, {"net.ipv4.tcp_fin_timeout", "ends the entries here sooner; the peer's descriptors stay"}, {"net.ipv4.tcp_keepalive_*", "a socket that is closed here sends no probes"}}}},
    {"established-growth", FindingClass::application, {{{"net.ipv4.tcp_keepalive_*", "finds peers that have died; these live, and answer"}, {"net.ipv4.tcp_fin_timeout, tcp_tw_reuse", "concern connections that somebody has closed"}, {"ulimit -n", "a higher limit only moves the day on which it is reached"}}}},
    {"established-dead-peer-leak", FindingClass::application, {{{"net.ipv4.tcp_retries2", "counts answers to data, and none is sent"}, {"net.ipv4.tcp_fin_timeout", "begins when somebody closes"}}}},
    {"no-timeouts", FindingClass::application, {{{"net.ipv4.tcp_keepalive_time, _intvl, _probes", "act on sockets with SO_KEEPALIVE only"}, {"TCP_USER_TIMEOUT alone, net.ipv4.tcp_retries2", "count what is not acknowledged, and nothing is sent"}}}},
    {"reader-too-slow", FindingClass::application, {{{"net.ipv4.tcp_rmem", "a larger buffer fills as well, a little later, and costs memory"}, {"net.core.rmem_max", "limits what SO_RCVBUF may ask for, nothing else"}}}},
    {"unread-forgotten", FindingClass::application, {{{"net.ipv4.tcp_rmem, SO_RCVBUF", "there is room: nothing waits for a larger buffer"}}}},
    {"peer-not-reading", FindingClass::peer, {{{"net.ipv4.tcp_wmem, SO_SNDBUF", "a larger buffer holds more of what nobody reads"}, {"net.ipv4.tcp_retries2", "counts segments without an answer; this peer's kernel answers"}, {"net.ipv4.tcp_keepalive_*", "is silent while data waits, and the peer's kernel is alive"}}}},
    {"send-queue-dead-peers", FindingClass::peer, {{{"net.ipv4.tcp_wmem, SO_SNDBUF", "a larger buffer holds more of what nobody takes"}, {"net.ipv4.tcp_keepalive_*", "sends nothing while data waits for its acknowledgement"}}}},
    {"orphan-buildup", FindingClass::application, {{{"net.ipv4.tcp_fin_timeout", "counts from the acknowledgement of our FIN (FIN_WAIT_2); these have not sent it yet"}, {"net.ipv4.tcp_max_orphans (lower)", "resets connections whose peers would still have read their answers"}, {"net.ipv4.tcp_wmem", "a larger buffer leaves more behind at each close"}}}},
    {"hidden-user-queue", FindingClass::application, {{{"net.ipv4.tcp_wmem, SO_SNDBUF", "moves a little of the pile into the kernel, which then grows as well"}, {"net.ipv4.tcp_mem, net.core.wmem_max", "the pile is not the kernel's memory"}}}},
    {"accept-queue-app-slow", FindingClass::application, {{{"net.core.somaxconn", "the queue is full because it is not emptied; a longer one adds delay, not capacity"}, {"net.ipv4.tcp_max_syn_backlog", "limits half-open connections, not those that wait for accept()"}, {"net.ipv4.tcp_abort_on_overflow", "turns waiting into resets for users"}}}},
    {"backlog-too-small", FindingClass::kernel_config, {{{"net.ipv4.tcp_max_syn_backlog", "limits half-open connections, not those that wait for accept()"}, {"net.ipv4.tcp_abort_on_overflow", "turns waiting into resets for users"}}}},
    {"syn-drops-not-overflow", FindingClass::application, {{{"net.core.somaxconn, the listen() backlog", "the queue had room for all of them"}, {"net.ipv4.tcp_max_syn_backlog", "no SYN was refused for want of room there"}}}},
    {"syn-flood-vs-overflow", FindingClass::attack, {{{"net.ipv4.tcp_max_syn_backlog", "a longer queue fills as well, a little later; cookies need no place in it"}, {"accept faster, net.core.somaxconn", "these handshakes are never completed: no accept() waits for them"}}}},
    {"abort-on-overflow-set", FindingClass::kernel_config, {{{"net.ipv4.tcp_max_syn_backlog", "limits half-open connections, not those that wait for accept()"}, {"net.ipv4.tcp_synack_retries", "how often the last step is asked for again; nothing is asked for after a reset"}}}},
    {"defer-fastopen-lint", FindingClass::application, {{{"net.ipv4.tcp_max_syn_backlog, net.core.somaxconn", "no queue was full: they are put off on purpose"}, {"net.ipv4.tcp_synack_retries", "how often such a client is asked again; the program's option decides how long"}, {"net.core.somaxconn, the listen() backlog", "bounds the number of TCP_FASTOPEN from above, and does not raise it"}, {"net.ipv4.tcp_fastopen", "says whether Fast Open is used, not for how many at a time"}}}},
    {"reuseport-unbalanced", FindingClass::application, {{{"net.core.somaxconn, the listen() backlog", "the other queues have room; a longer one only hides this member's"}, {"more workers", "each gets a smaller share, and this one still gets its own"}}}},
    {"listener-never-accepts", FindingClass::application, {{{"net.core.somaxconn, the listen() backlog", "a longer queue only holds more connections that nobody serves"}, {"net.ipv4.tcp_keepalive_*", "the connections are alive: both kernels answer"}}}},
    {"port-exhaustion", FindingClass::capacity, {{{"net.ipv4.tcp_fin_timeout", "TIME_WAIT is a fixed 60 s in the kernel"}, {"SO_REUSEADDR", "shares a port that the program names; for port 0 bind() looks for one that nobody has"}, {"SO_LINGER 0", "avoids TIME_WAIT by a reset: the peer may lose the last data"}, {"net.ipv4.tcp_max_tw_buckets (lower)", "ends TIME_WAIT early everywhere; old segments may reach new connections"}}}},
    {"tw-bucket-overflow", FindingClass::kernel_config, {{{"net.ipv4.tcp_fin_timeout", "TIME_WAIT is a fixed 60 s in the kernel"}, {"net.ipv4.tcp_tw_reuse", "lets connect() take such ports again; the entries stay"}, {"net.ipv4.tcp_max_tw_buckets (lower)", "turns even more away; an entry takes 256 bytes and no descriptor"}}}},
    {"connection-per-request", FindingClass::application, {{{"net.ipv4.tcp_tw_reuse, net.ipv4.tcp_fin_timeout", "the handshakes stay"}, {"SO_LINGER 0", "saves an entry of 256 bytes, and answers may be lost"}}}},
    {"closes-in-bursts", FindingClass::application, {{{"RLIMIT_NOFILE, net.ipv4.ip_local_port_range", "the next pause of the collector may be longer"}, {"net.ipv4.tcp_fin_timeout, net.ipv4.tcp_tw_reuse", "act only once somebody has closed"}, {"a collector that runs more often", "costs time of the processor for what close() does at once"}}}},
    {"connects-fail", FindingClass::network_path, {{{"net.ipv4.tcp_syn_retries", "it does not make the other side answer"}}}},
    {"rst-on-close-unread", FindingClass::application, {{{"SO_LINGER", "decides about data that is still to be sent, not about what was not read"}, {"net.ipv4.tcp_fin_timeout, net.ipv4.tcp_rfc1337", "a reset ends the connection at once"}, {"net.ipv4.tcp_rmem", "more room only means more unread data"}}}},
    {"so-linger-misuse", FindingClass::application, {{{"net.ipv4.tcp_fin_timeout, net.ipv4.tcp_tw_reuse", "the program chose how its connections end"}, {"SO_LINGER with a longer or shorter time", "either close() stands still, or data is lost all the same"}}}},
    {"reset-attribution", FindingClass::network_path, {{{"dropping resets in a packet filter", "peers then wait for a time-out instead of an answer"}, {"net.ipv4.tcp_rfc1337, net.ipv4.tcp_challenge_ack_limit", "are about resets that come in"}}}},
    {"conntrack-full", FindingClass::kernel_config, {{{"net.ipv4.tcp_syn_retries", "sends again what is lost by chance, and only TCP"}, {"net.core.somaxconn, net.ipv4.tcp_max_syn_backlog", "these packets never reach a listener"}, {"net.ipv4.tcp_max_tw_buckets, net.ipv4.tcp_fin_timeout", "are about sockets; the entry has its own time"}, {"net.netfilter.nf_conntrack_tcp_loose, nf_conntrack_tcp_be_liberal", "are about entries that exist"}}}},
    {"softnet-drop", FindingClass::kernel_config, {{{"ethtool -G (rings of the device)", "these packets had left the ring already"}, {"net.ipv4.tcp_rmem, net.core.rmem_max", "no socket had seen them yet"}, {"txqueuelen", "is a queue for sending"}, {"net.core.netdev_budget, net.core.netdev_budget_usecs", "larger ones take the time from the programs that read"}}}},
    {"rcvbuf-locked-by-app", FindingClass::application, {{}}},
    {"sndbuf-locked-by-app", FindingClass::application, {{}}},
    {"rcvbuf-bdp-autotune-cap", FindingClass::kernel_config, {{}}},
    {"sndbuf-bdp-autotune-cap", FindingClass::kernel_config, {{}}},
    {"peer-window-limited", FindingClass::peer, {{{"net.ipv4.tcp_wmem", "the sender has room: it waits for the other end's window"}, {"net.ipv4.tcp_congestion_control", "the window is smaller than what the congestion window would allow"}}}},
    {"send-queue-bufferbloat", FindingClass::application, {{{"net.ipv4.tcp_wmem", "a smaller maximum slows every long path; a larger one lengthens the wait"}, {"TCP_NODELAY", "is about small last segments; here much is waiting"}}}},
    {"mem-max-relation", FindingClass::kernel_config, {{{"net.core.rmem_max, net.core.wmem_max", "have no part in the kernel's own sizing"}, {"net.ipv4.tcp_rmem[2]", "a larger maximum is not reached while this is off"}, {"net.ipv4.tcp_rmem[1]", "would give every connection what a few need"}, {"net.ipv4.tcp_rmem[0]", "is only what a socket keeps under memory pressure"}}}},
    {"nagle-delack-stall", FindingClass::application, {{{"any sysctl", "none turns Nagle's algorithm off; net.ipv4.tcp_low_latency does nothing since Linux 4.14"}, {"net.ipv4.tcp_wmem, SO_SNDBUF", "there is room; the bytes wait for an acknowledgement"}, {"TCP_QUICKACK at the peer", "does not stay: the kernel soon delays acknowledgements again"}}}},
    {"retrans-cc-qdisc", FindingClass::network_path, {{{"net.ipv4.tcp_sack, net.ipv4.tcp_dsack, net.ipv4.tcp_timestamps", "turned off, each loss takes longer to repair"}, {"net.ipv4.tcp_wmem, net.ipv4.tcp_rmem", "no buffer is full; a larger one loses as much"}, {"net.ipv4.tcp_retries2", "says when to give up, not what gets lost"}, {"net.ipv4.tcp_congestion_control = bbr", "every control waits for the same probe and the same timer"}}}},
    {"slow-start-after-idle", FindingClass::kernel_config, {{{"net.ipv4.tcp_wmem, net.ipv4.tcp_rmem", "no buffer is full at the start of a burst"}, {"net.ipv4.tcp_no_metrics_save", "concerns new connections; this one is open"}}}},
    {"mtu-blackhole", FindingClass::network_path, {{{"net.ipv4.tcp_mtu_probing = 2", "begins every connection with small segments, also where the path is well"}, {"net.ipv4.tcp_retries2", "the same segment is sent again more or less often, and never fits"}, {"net.ipv4.ip_no_pmtu_disc", "does not make the packets smaller that the path drops"}}}},
    {"ooo-queue-pressure", FindingClass::network_path, {{{"net.ipv4.tcp_reordering, net.ipv4.tcp_max_reordering", "belong to the sender, which learns them by itself"}, {"net.ipv4.tcp_sack = 0", "the sender no longer hears what has arrived, and sends it again"}}}},
    {"rcv-collapse-prune", FindingClass::application, {{{"net.ipv4.tcp_rmem (higher)", "with more room there is more to copy each time, and it fills all the same"}, {"net.core.rmem_max, net.core.netdev_max_backlog", "neither is the limit of this queue"}}}},
    {"tcp-backlog-drop", FindingClass::application, {{{"net.core.netdev_max_backlog", "is the queue of packets in front of a processor, not this one"}, {"net.core.somaxconn, the listen() backlog", "holds connections that wait for accept(); this is about data"}, {"net.ipv4.tcp_max_syn_backlog", "holds half-open connections"}}}},
    {"pending-shutdown-data", FindingClass::application, {{{"high_watermark, low_watermark", "say when senders wait, not what becomes of the bytes"}}}},
    {"user-queue-unbounded", FindingClass::application, {{{"net.ipv4.tcp_wmem, net.core.wmem_max, SO_SNDBUF", "a larger kernel buffer takes some of it once; then the program's queue grows as before"}, {"high_watermark, the busy limit", "a mark that is bypassed bounds nothing, wherever it is"}, {"net.ipv4.tcp_mem", "this memory is the program's, not the kernel's"}, {"vm.overcommit_memory, swap", "only move the day on which memory ends"}}}},
    {"message-queue-holds-senders", FindingClass::application, {{{"high_watermark, low_watermark", "belong to the driver queue, which is short"}, {"net.ipv4.tcp_wmem, net.core.wmem_max, SO_SNDBUF", "the kernel has taken what the driver gave it"}, {"TCP_NODELAY, delay_send", "act behind the message queue"}}}},
    {"user-queue-watermark", FindingClass::application, {{{"SO_SNDBUF=1, SO_RCVBUF=1", "the kernel takes at least its minimum, and counts its own overhead in it"}, {"net.ipv4.tcp_wmem, net.ipv4.tcp_rmem", "the buffers were set by the application: these have no effect on them"}, {"net.core.wmem_max, net.core.rmem_max", "limit what may be asked for from above, not from below"}, {"high_watermark, low_watermark", "say when senders wait, not how fast the peer reads"}}}},
    {"tcp-mem-pressure-global", FindingClass::memory, {{{"net.core.rmem_max, net.core.wmem_max", "limit single sockets that set SO_RCVBUF/SO_SNDBUF"}}}},
    {"high-connection-memory-budget", FindingClass::capacity, {{{"net.ipv4.tcp_rmem[1], net.ipv4.tcp_wmem[1] (lower)", "an idle connection holds no buffer at all"}, {"net.ipv4.tcp_mem (higher)", "does not count these objects"}, {"net.ipv4.tcp_mem", "only says when the kernel begins to save"}, {"net.core.rmem_max", "limits what a program may ask for, not what the kernel grows"}}}},
    {"page-alloc-pressure", FindingClass::memory, {{{"net.ipv4.tcp_rmem, net.ipv4.tcp_wmem (lower)", "buffers that are not filled take nothing"}, {"vm.drop_caches", "takes from programs what the kernel gives back by itself"}}}},
    {"memcg-socket-pressure", FindingClass::memory, {{{"net.core.rmem_max, net.ipv4.tcp_rmem (higher)", "lets the sockets ask for more of what is not there"}}}},
    {"recovery-settings", FindingClass::kernel_config, {{{"net.ipv4.tcp_congestion_control", "a better one knows losses by the same means, and cannot do without them"}}}},
    {"stale-settings", FindingClass::kernel_config, {{{"a newer value in the same line", "the kernel's own start moves on with its releases"}, {"net.ipv4.tcp_mem (higher)", "it is a limit, not a reservation: a higher one makes nothing faster"}}}},
    {"do-nothing", FindingClass::kernel_config, {{{"net.ipv4.tcp_tw_reuse", "only lets outgoing connections use such ports again; the count stays"}, {"net.ipv4.tcp_fin_timeout", "TIME_WAIT is a fixed 60 s in the kernel"}, {"net.ipv4.tcp_max_tw_buckets (lower)", "ends connections early; peers may see resets"}, {"net.ipv4.tcp_rmem", "the counter alone shows no loss"}}}},
});
// clang-format on

}  // namespace

std::span<const RuleWords> rule_words() {
  return kRules;
}

const RuleWords* words_of_rule(std::string_view id) {
  auto found = std::ranges::find(kRules, id, &RuleWords::id);
  return found == kRules.end() ? nullptr : &*found;
}

}  // namespace tcpadvisor::explain
