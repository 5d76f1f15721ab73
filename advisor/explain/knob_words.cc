// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "advisor/explain/words.h"

namespace tcpadvisor::explain {
namespace {

// clang-format off: a table
constexpr auto kKnobs = std::to_array<KnobWords>({
    {"net.ipv4.tcp_rmem", "least, first and largest receive buffer of a connection. The kernel grows a buffer from the second value to the third as the flow needs it; of a buffer, half or more becomes window", "a larger maximum helps only flows whose window is used up in a round trip and whose reader keeps up; a larger middle value costs every busy connection"},
    {"net.ipv4.tcp_wmem", "least, first and largest send buffer of a connection. The kernel grows a buffer to twice what the congestion window needs", "a larger maximum helps only flows whose busy time is limited by the send buffer; where a peer does not read it only holds more"},
    {"net.ipv4.tcp_mem", "pages that all TCP buffers of the host may take: below the first value nothing is regulated, above the second windows shrink, above the third nothing more is given", "it is the last guard before the host runs out of memory, and its unit is pages, not bytes"},
    {"net.ipv4.tcp_max_orphans", "connections that no process holds any more and that still have something to send; beyond it they are reset", "a lower value resets connections whose peers would still read their answers"},
    {"net.ipv4.tcp_moderate_rcvbuf", "1: the kernel grows receive buffers as the flow needs it", "off, every flow keeps the middle value of tcp_rmem"},
    {"net.ipv4.tcp_window_scaling", "1: windows beyond 64 KiB", "off, no path with a round trip carries more than 64 KiB in each"},
    {"net.ipv4.tcp_adv_win_scale", "which part of the receive buffer becomes window, before 6.6", "kernels from 6.6 on measure it and do not read this"},
    {"net.ipv4.tcp_app_win", "part of the window that is kept for the program's overhead", "hardly anybody has a reason to change it"},
    {"net.ipv4.tcp_shrink_window", "1: a window may be taken back", "for kernels that run out of receive memory; peers may have sent already what no longer fits"},
    {"net.ipv4.tcp_rcvbuf_low_rtt", "below this round trip receive buffers grow more slowly", "only on links where a small buffer is enough"},
    {"net.ipv4.tcp_sack", "1: the receiver tells which segments it has", "off, each loss of several segments costs a round trip more"},
    {"net.ipv4.tcp_dsack", "1: the receiver tells what came twice, so needless repeats are known", "off, it only hides the reports"},
    {"net.ipv4.tcp_timestamps", "1: each segment has a time: exact round trips, and protection of old segments", "off, tcp_tw_reuse no longer works, and old segments may be taken for new ones"},
    {"net.ipv4.tcp_recovery", "how losses are detected (RACK)", "0 goes back to counting duplicates, and reordering looks like loss"},
    {"net.ipv4.tcp_early_retrans", "3: tail-loss probes", "0 leaves losses at the end of what is sent to the retransmission timer"},
    {"net.ipv4.tcp_reordering", "by how many places a segment may be late before it counts as lost, at first", "the kernel learns it for each connection"},
    {"net.ipv4.tcp_max_reordering", "how far that may grow", "a low value makes reordering look like loss"},
    {"net.ipv4.tcp_max_syn_backlog", "handshakes that wait to be completed, of one listener, without SYN cookies", "with tcp_syncookies = 1 it bounds nothing; the queue of complete connections is net.core.somaxconn and listen()"},
    {"net.ipv4.tcp_syncookies", "1: answer with a cookie when the SYN queue is full; 0: drop; 2: always", "off, a flood of SYNs locks clients out"},
    {"net.ipv4.tcp_synack_retries", "how often a SYN is answered again", "lower frees places sooner, and slow clients lose"},
    {"net.ipv4.tcp_syn_retries", "how often a SYN is sent again before connect() fails (6: 127 s)", "it decides when to give up, not whether somebody answers"},
    {"net.ipv4.tcp_abort_on_overflow", "1: a client that finds the accept queue full gets a reset", "0 lets a short burst pass, the client tries again by itself"},
    {"net.ipv4.tcp_migrate_req", "1: handshakes of a closing SO_REUSEPORT listener go to another", "only with several listeners on a port that restart"},
    {"net.ipv4.tcp_fastopen", "bits: 1 client, 2 server, …", "programs have to ask for it, and many paths drop it"},
    {"net.ipv4.ip_local_port_range", "local ports that the kernel chooses from for connect()", "the limit is for one destination address and port: more destinations, or connections that are kept, help more; leave room for listeners"},
    {"net.ipv4.ip_local_reserved_ports", "ports of that range that the kernel does not choose", "each one is a port less for connect()"},
    {"net.ipv4.tcp_tw_reuse", "a port in TIME_WAIT may be used again for a new connection to the same place after one second: 1 everywhere, 2 loopback only", "it acts on outgoing connections only; nothing is freed on a server"},
    {"net.ipv4.tcp_tw_reuse_delay", "how long a port in TIME_WAIT rests before tcp_tw_reuse takes it", "shorter lets old segments reach new connections"},
    {"net.ipv4.tcp_max_tw_buckets", "entries in TIME_WAIT, and in FIN_WAIT_2 after close(), of a namespace", "a lower value ends connections early and peers see resets; an entry takes 256 bytes and no descriptor"},
    {"net.ipv4.tcp_fin_timeout", "how long a connection that was closed here waits in FIN_WAIT_2 for the peer's FIN", "it is not the time of TIME_WAIT, which is a fixed 60 s, and it does nothing for CLOSE_WAIT"},
    {"net.ipv4.tcp_orphan_retries", "how often data of a connection that nobody holds is sent again", "lower loses the end of answers to slow peers"},
    {"net.ipv4.tcp_retries1", "after how many time-outs the route is asked for again", "no reason is known"},
    {"net.ipv4.tcp_retries2", "how often a segment is sent again before the connection ends (15: about 15 minutes)", "for a program's own patience TCP_USER_TIMEOUT is better; lower ends connections over a short break of the path"},
    {"net.ipv4.tcp_rto_min_us", "shortest retransmission time-out", "lower sends needlessly again where acknowledgements are delayed"},
    {"net.ipv4.tcp_rto_max_ms", "longest retransmission time-out", "lower loads a path that is down with more repeats"},
    {"net.ipv4.tcp_keepalive_time", "rest before the first keepalive probe, of sockets with SO_KEEPALIVE", "nothing changes for sockets whose program did not ask for keepalive, nor while data waits for an acknowledgement"},
    {"net.ipv4.tcp_keepalive_intvl", "time between keepalive probes", "as tcp_keepalive_time"},
    {"net.ipv4.tcp_keepalive_probes", "probes without an answer before the connection ends", "as tcp_keepalive_time"},
    {"net.ipv4.tcp_notsent_lowat", "bytes in Send-Q that were never sent beyond which a socket is not writable", "a program that writes messages waits less behind itself; one that writes in bulk gains nothing"},
    {"net.ipv4.tcp_limit_output_bytes", "bytes of one connection in the host's own queues below TCP", "larger only lengthens the wait in front of the device"},
    {"net.ipv4.tcp_autocorking", "1: small writes are gathered while others leave", "TCP_NODELAY does not switch it off, but it waits for the device only"},
    {"net.ipv4.tcp_slow_start_after_idle", "1: after a pause the congestion window begins small again", "0 helps bursts over long paths; the burst meets the path without warning. bbr does not look at it"},
    {"net.ipv4.tcp_mtu_probing", "1: look for a smaller packet size when segments vanish; 2: always", "1 is the cure of a black hole; 2 begins every connection small"},
    {"net.ipv4.tcp_base_mss", "where that search begins", "larger may not fit through a tunnel"},
    {"net.ipv4.tcp_no_metrics_save", "1: forget what a destination taught", "one bad connection then does not slow the next; nothing for open ones"},
    {"net.ipv4.tcp_congestion_control", "who decides how much is on its way, for new connections", "no loss and no queue: nothing to gain"},
    {"net.ipv4.tcp_available_congestion_control", "which ones the kernel has loaded (read only)", ""},
    {"net.ipv4.tcp_ecn", "0 off, 1 ask for it, 2 accept it", "old middle boxes drop what asks for it"},
    {"net.ipv4.tcp_low_latency", "nothing since 4.14", "remove the line"},
    {"net.ipv4.tcp_fack", "nothing since 4.15", "remove the line"},
    {"net.ipv4.tcp_tw_recycle", "gone since 4.12: it broke clients behind NAT", "remove the line"},
    {"net.ipv4.tcp_thin_dupack", "gone since 4.11", "remove the line"},
    {"net.ipv4.tcp_frto_response", "gone since 3.10", "remove the line"},
    {"net.ipv4.tcp_max_ssthresh", "gone since 3.9", "remove the line"},
    {"net.ipv4.tcp_abc", "gone since 3.9", "remove the line"},
    {"net.core.somaxconn", "upper bound of the backlog that listen() asks for: the accept queue's length is the smaller of both", "a longer queue helps bursts; where the program accepts too slowly it only adds waiting. Listeners keep what they asked for until they call listen() again"},
    {"net.core.rmem_max", "upper bound of what SO_RCVBUF may ask for", "it has no part in the kernel's own sizing, which is tcp_rmem"},
    {"net.core.wmem_max", "upper bound of what SO_SNDBUF may ask for", "it has no part in the kernel's own sizing, which is tcp_wmem"},
    {"net.core.rmem_default", "first receive buffer of sockets that are not TCP", "TCP takes tcp_rmem[1]"},
    {"net.core.wmem_default", "first send buffer of sockets that are not TCP", "TCP takes tcp_wmem[1]"},
    {"net.core.default_qdisc", "queueing discipline of new devices", "devices that are up keep theirs"},
    {"net.core.netdev_max_backlog", "packets in the queue of one processor, from veth, loopback, RPS and simple drivers", "a longer queue helps bursts; steady drops call for spreading the packets (RPS, more queues)"},
    {"net.core.netdev_budget", "packets that one run of the receive interrupt takes", "larger takes the time from the programs that read"},
    {"net.core.netdev_budget_usecs", "time of such a run", "as netdev_budget"},
    {"net.core.optmem_max", "option memory of a socket", "only for programs with many options or zero copy"},
    {"net.core.mem_pcpu_rsv", "pages that each processor keeps of a protocol's memory account", "only where very many processors fight for one counter"},
    {"net.netfilter.nf_conntrack_max", "connections that the packet filter tracks", "raise the number of buckets with it; against a flood filtering helps, not a larger table"},
    {"fs.file-max", "open files of the whole host (ENFILE)", "EMFILE of a process is its own limit, RLIMIT_NOFILE"},
    {"fs.nr_open", "upper bound of RLIMIT_NOFILE", "each process still has the limit that it was given"},
});
// clang-format on

}  // namespace

std::span<const KnobWords> knob_words() {
  return kKnobs;
}

const KnobWords* words_of_knob(std::string_view name) {
  auto found = std::ranges::find(kKnobs, name, &KnobWords::name);
  return found == kKnobs.end() ? nullptr : &*found;
}

}  // namespace tcpadvisor::explain
