// SPDX-License-Identifier: Apache-2.0
// A Sample: everything that one tick learned about the host. Immutable once collected, handed over as
// std::shared_ptr<const Sample>. A field that a source could not give is std::nullopt, never a zero.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "advisor/evidence/address.h"
#include "advisor/evidence/fact.h"
#include "advisor/evidence/owner_group.h"
#include "advisor/evidence/tcp_state.h"

namespace tcpadvisor {

using NetnsId = std::uint64_t;  ///< inode number of the network namespace
using Pid = std::uint32_t;      ///< thread-group id in the host's pid namespace

/// Who holds a socket. Decided by the collector, never guessed from a softirq's current task.
enum class Holder : std::uint8_t {
  unknown,        ///< this source cannot tell
  process,        ///< a process has a file descriptor for it
  unaccepted,     ///< established by the kernel, still in the listener's accept queue
  orphan,         ///< the application has closed it; only the kernel still holds it
  kernel,         ///< made by the kernel itself (NFS, MPTCP subflow)
  no_descriptor,  ///< it has a file, but no process has a descriptor: on its way in a message, or with io_uring
  outside,        ///< a process outside our pid namespace has it: another container's, or the host's
};

inline constexpr std::size_t kMaxOthers = 16;  ///< holders that a row names beside its owner

/// Mini-sockets hold few facts: TIME_WAIT (and orphan FIN_WAIT_2) and request sockets.
enum class SocketKind : std::uint8_t { full, timewait, request };

/// Of all processes that hold a socket the one that matters: who used it last, else who did not merely inherit it.
struct Owner {
  Pid pid = 0;
  std::string comm;           ///< made printable
  int fd = -1;                ///< one descriptor of that process, -1 if not known
  std::uint32_t holders = 1;  ///< processes that hold it (forked workers share listeners)
  auto operator<=>(const Owner&) const = default;
};

/// One of several processes that hold a socket.
struct HoldingProcess {
  Pid pid = 0;
  std::string comm;       ///< made printable
  std::uint32_t fds = 1;  ///< its descriptors of this socket
  Pid pid_inside = 0;     ///< as in OwnerTotals
  auto operator<=>(const HoldingProcess&) const = default;
};

/// Who sent or received on a socket last, seen by the hooks on calls; it may have handed the descriptor on since.
struct LastUser {
  Pid pid = 0;  ///< 0: a process outside our pid namespace
  std::string comm;
  auto operator<=>(const LastUser&) const = default;
};

/// Sizes of send or receive calls: slot 0 counts errors other than EAGAIN, slot 1 counts EAGAIN, slot 2 counts 0 bytes,
/// slot 3+k counts 2^k <= size < 2^(k+1); the last slot also takes what is larger.
inline constexpr std::size_t kCallSlots = 24;
struct CallStats {
  std::array<std::uint32_t, kCallSlots> slots{};
  std::optional<std::uint64_t> last_ms_ago;  ///< since the last call; nothing if there was none
  std::uint64_t calls() const;               ///< all calls, whatever they returned
  std::uint64_t eagain() const { return slots[1]; }
  auto operator<=>(const CallStats&) const = default;
};

struct SocketCalls {
  CallStats send, recv;
  std::uint32_t small_write_runs = 0;  ///< times that >= 2 small writes (< 1 MSS-ish, 1024 B) came before the next read
  auto operator<=>(const SocketCalls&) const = default;
};

/// SO_SNDBUF / SO_RCVBUF set by the application: autotuning is off (sk_userlocks, include/net/sock.h).
struct BufferLocks {
  bool sndbuf = false, rcvbuf = false;
  auto operator<=>(const BufferLocks&) const = default;
};

enum class Timer : std::uint8_t { none, retransmit, keepalive, timewait, persist };

/// One socket that matters or is shown. Byte counts are payload bytes; buffers and memory are bytes as the kernel
/// charges them.
struct SocketRow {
  std::uint64_t cookie = 0;  ///< socket cookie: identity over time (0 for mini-sockets that have none)
  NetnsId netns = 0;
  Endpoint local, remote;
  TcpState state = TcpState::established;
  SocketKind kind = SocketKind::full;
  Holder holder = Holder::unknown;
  std::optional<Owner> owner;          ///< set if holder == process
  std::vector<HoldingProcess> others;  ///< who holds it beside the owner, at most kMaxOthers; owner->holders counts all
  std::optional<LastUser> last_user;
  bool mptcp = false;       ///< a subflow or listener of MPTCP; its descriptor leads to the MPTCP socket above it
  std::uint64_t inode = 0;  ///< 0 if no file
  std::uint32_t uid = 0;
  std::uint64_t cgroup_id = 0;  ///< cgroup v2 inode, 0 if not known; the collector turns it into the path
  std::string cgroup;           ///< path, empty if not known

  std::optional<std::uint64_t> state_age_ms;  ///< time in this state
  bool state_age_is_lower_bound = false;      ///< true when the agent did not see the transition itself

  std::uint64_t recv_q = 0;               ///< bytes that the application has not read (a queued FIN is not counted)
  std::uint64_t send_q = 0;               ///< bytes not yet acknowledged by the peer, sent or not
  std::optional<std::uint64_t> not_sent;  ///< the part of send_q that was never sent

  std::optional<std::uint64_t> rcvbuf, sndbuf;           ///< sk_rcvbuf, sk_sndbuf
  std::optional<std::uint64_t> rmem_alloc, wmem_queued;  ///< memory in use against them
  std::optional<std::uint64_t> fwd_alloc, backlog_bytes;
  std::optional<BufferLocks> locks;  ///< not visible through sock_diag
  std::optional<std::uint64_t> drops;

  // LISTEN only
  std::optional<std::uint32_t> accept_queue, accept_limit;  ///< now / effective backlog = min(listen(), somaxconn)
  std::optional<std::uint32_t> accept_peak;                 ///< highest seen by a hook since the agent started

  // tcp_info
  std::optional<std::uint64_t> bytes_sent, bytes_retrans, bytes_acked, bytes_received;
  std::optional<std::uint32_t> snd_wnd, rcv_wnd, snd_cwnd, mss;
  std::optional<std::uint32_t> srtt_us, min_rtt_us, rcv_rtt_us;
  std::optional<std::uint8_t> snd_wscale, rcv_wscale;
  std::optional<std::uint64_t> busy_us, rwnd_limited_us, sndbuf_limited_us;
  std::optional<std::uint32_t> last_data_sent_ms, last_data_recv_ms, last_ack_recv_ms;
  std::optional<std::uint32_t> total_retrans;
  std::optional<std::uint32_t> unacked_segs, lost_segs;           ///< in flight, and of those taken for lost
  std::optional<std::uint32_t> data_segs_out, data_segs_in;       ///< segments with payload, retransmits included
  std::optional<std::uint32_t> delivered_segs, ssthresh, rto_us;  ///< ssthresh: segments; nothing before the first loss
  std::optional<std::uint32_t> dsack_dups, reord_seen, ooo_segs;  ///< the peer had it already; reordering; out of order
  std::optional<std::uint32_t> pmtu, advmss;
  std::optional<std::uint64_t> pacing_rate, delivery_rate;  ///< bytes per second; pacing_rate: nothing if not paced
  std::optional<bool> paced;  ///< TCP itself or fq keeps to pacing_rate, which the kernel works out in any case
  std::optional<std::uint64_t> wmem_alloc;  ///< bytes, as the kernel charges them, below TCP: in a device or its queue
  std::optional<bool> cwnd_limited;
  std::optional<std::uint8_t> probes_out, backoff;
  std::optional<std::uint8_t> scaling_ratio;  ///< window = buffer * ratio / 256 (kernels >= 6.6)
  std::optional<bool> app_limited;
  Timer timer = Timer::none;
  std::string congestion_control;

  // What the program has set; not visible through sock_diag
  std::optional<bool> nodelay, cork;             ///< TCP_NODELAY: Nagle's algorithm is off; TCP_CORK
  std::optional<bool> keepalive;                 ///< SO_KEEPALIVE
  std::optional<std::uint32_t> linger_ms;        ///< SO_LINGER, 0: close() resets; nothing if not set, or not known
  std::optional<std::uint32_t> rcvlowat;         ///< bytes
  std::optional<std::uint32_t> user_timeout_ms;  ///< TCP_USER_TIMEOUT, 0: not set
  std::optional<std::uint32_t> send_timeout_ms, recv_timeout_ms;  ///< SO_SNDTIMEO, SO_RCVTIMEO, 0: not set

  std::optional<std::uint64_t> blocked_us;     ///< time senders spent in sk_stream_wait_memory, hook only
  std::optional<std::uint32_t> blocked_count;  ///< how many times
  std::optional<bool> nospace;                 ///< the sampled estimate: SOCK_NOSPACE is set, a sender wants room now
  std::optional<SocketCalls> calls;

  auto operator<=>(const SocketRow&) const = default;
};

/// What a program says about its own queue in front of one socket's Send-Q: bytes that it has accepted from its callers
/// and that the kernel has not taken yet. Published by the program (docs/user-queues.md), believed only when the
/// program's process holds the socket. A member that the program did not tell is nothing.
struct UserQueue {
  NetnsId netns = 0;
  Endpoint local, remote;
  std::uint64_t cookie = 0;  ///< of the socket, 0 if it was named by its addresses and has no row
  Pid pid = 0;               ///< the speaker, by the kernel's word
  std::string comm;
  std::string name;                        ///< the speaker's own name for it, printable; may be empty
  std::uint64_t queued = 0;                ///< bytes
  std::optional<std::uint64_t> high, low;  ///< watermarks in bytes: senders wait from `high` on, go on at `low`
  std::optional<bool> busy;                ///< senders are being held back by these marks
  std::optional<std::uint32_t> waiting;    ///< senders whose bytes are in the queue already and that wait for an answer
  std::optional<std::uint32_t> suspended;  ///< senders held back, their bytes are not in the queue
  std::optional<std::uint64_t> waited_ms;  ///< how long the longest of both has been waiting
  std::optional<std::uint64_t> message_queue, message_high, message_low;  ///< bytes of commands not yet executed; marks
  std::optional<bool> message_busy;       ///< senders are being held back by the message queue's marks
  std::optional<bool> pending_shutdown;   ///< the program has shut down writing, but the queue is not empty
  std::optional<std::uint64_t> accepted;  ///< bytes accepted from callers so far
  std::optional<std::uint64_t> bypassed;  ///< of those, accepted although busy (force, time-outs, no suspension)
  std::optional<std::uint64_t> dropped;   ///< of those, thrown away: neither the kernel nor the peer ever gets them
  std::optional<std::uint64_t> refused;   ///< sends turned away so far (not queued, not sent)
  bool ended = false;                     ///< the speaker's last word about this connection
  std::uint64_t age_ms = 0;               ///< since the last message
  auto operator<=>(const UserQueue&) const = default;
};

/// Sums over all sockets in one state, in the kernel, so they are complete even when rows are not.
struct StateTotals {
  std::uint64_t count = 0, recv_q = 0, send_q = 0, rmem = 0, wmem = 0;
  auto operator<=>(const StateTotals&) const = default;
};
using StateTable = std::array<StateTotals, kStateCount>;

/// What keeps a process from doing anything, if something does.
enum class ProcessState : std::uint8_t {
  unknown,
  running,    ///< runs, waits to run, or sleeps until an event
  stopped,    ///< by a signal (SIGSTOP, ctrl-Z) or a debugger
  frozen,     ///< by the freezer of its cgroup
  disk_wait,  ///< sleeps uninterruptibly, mostly for storage (state D)
  ended,      ///< a zombie
};

/// What would tell a program that a peer has vanished: of its ESTABLISHED connections to other hosts. Its own timers
/// are not seen.
struct TimeoutTotals {
  std::uint32_t looked = 0;  ///< connections that were looked at
  std::uint32_t one_in = 1;  ///< that is about one in so many
  std::uint32_t keepalive = 0, user_timeout = 0, send_timeout = 0, recv_timeout = 0;  ///< one may have several
  std::uint32_t none = 0;
  /// Of `none`, by the time since the last byte: less than kIdleSlotEndsMs[i]; the last slot: longer than all.
  std::array<std::uint32_t, 6> none_idle{};
  auto operator<=>(const TimeoutTotals&) const = default;
};
inline constexpr std::array<std::uint64_t, 5> kIdleSlotEndsMs = {1'000, 5'000, 60'000, 600'000, 3'600'000};

/// Per process. A socket counts once, however many descriptors of the process lead to it.
struct OwnerTotals {
  Pid pid = 0;
  Pid parent = 0;      ///< 0 if not known, or outside our pid namespace
  Pid pid_inside = 0;  ///< its number in its own pid namespace, 0 if that is ours
  std::string comm, cgroup;
  std::uint64_t cgroup_id = 0;                       ///< cgroup v2 inode, 0 if not known
  NetnsId netns = 0;                                 ///< of the process itself
  std::optional<std::uint32_t> fds;                  ///< all descriptors, of any kind
  std::optional<std::uint64_t> fd_limit;             ///< RLIMIT_NOFILE, soft
  std::array<std::uint32_t, kStateCount> sockets{};  ///< TCP sockets by state; [close]: over, still held
  std::uint32_t old_close_wait = 0;                  ///< of those, older than the collector's age mark
  std::uint32_t old_fin_wait_2 = 0;
  std::uint64_t recv_q = 0, send_q = 0, rmem = 0, wmem = 0;
  ProcessState process_state = ProcessState::unknown;
  std::string frozen_by;  ///< file of the freezer that holds it, empty if none does: cgroup.freeze, or freezer.state
  std::optional<std::uint64_t> rss_bytes;
  std::optional<TimeoutTotals> timeouts;
  std::uint32_t tcp_sockets() const;
  auto operator<=>(const OwnerTotals&) const = default;
};

/// Connections of one process to one port and one network, whichever side has the port: what is known of those that
/// have no row. A socket counts once for each process that holds it.
struct NetworkTotals {
  NetnsId netns = 0;
  Pid pid = 0;  ///< 0: what did not fit into the list, of all processes
  std::string comm;
  bool accepted = false;   ///< they came to the process, at its `port`; else it has connected, to that port there
  std::uint16_t port = 0;  ///< 0: of several
  Endpoint network;        ///< the first address of a /24 of IPv4 or a /64 of IPv6; port 0
  bool elsewhere = false;  ///< all other networks, of which there are too many; `network` means nothing
  std::array<std::uint32_t, kStateCount> sockets{};
  std::uint64_t recv_q = 0, send_q = 0, rmem = 0, wmem = 0;
  // Of those that are ESTABLISHED and were looked at
  std::uint32_t looked = 0;
  std::uint32_t one_in = 1;                         ///< that is about one in so many
  std::optional<std::uint32_t> keepalive, nodelay;  ///< with SO_KEEPALIVE, with TCP_NODELAY
  std::array<std::uint32_t, 6> idle{};              ///< by the time since the last byte, slots as in TimeoutTotals
  std::array<std::uint32_t, 6> silent{};            ///< of those, without SO_KEEPALIVE; all 0 if that is not known
  std::uint64_t fwd_alloc = 0, bytes_sent = 0, bytes_received = 0;
  std::uint64_t busy_us = 0, rwnd_limited_us = 0, sndbuf_limited_us = 0;  ///< sums since they were opened
  /// Of those idle for a minute or longer, with empty queues: memory that they keep, and what their receive buffers may
  /// grow to.
  std::uint64_t resting_bytes = 0, resting_rcvbuf = 0;
  std::uint64_t connections() const;  ///< in whatever state
  auto operator<=>(const NetworkTotals&) const = default;
};
/// As in NetworkTotals::network.
Endpoint network_of(const Endpoint& address);
inline constexpr std::size_t kRestsFromSlot = 3;  ///< of NetworkTotals::idle: a minute

struct CgroupTotals {
  std::uint64_t id = 0;
  std::string path;
  std::uint64_t sockets = 0, recv_q = 0, send_q = 0, rmem = 0, wmem = 0;
  std::optional<std::uint64_t> sock_bytes, memory_current, memory_max;  ///< memory cgroup v2, or kmem.tcp of v1
  std::optional<std::uint64_t> memory_high;                             ///< v2: tasks are slowed down above it
  std::optional<std::uint64_t> events_max, events_high;                 ///< v2: times that its use met that limit
  auto operator<=>(const CgroupTotals&) const = default;
};

/// Connections that arrived at one listening port.
struct PortTotals {
  NetnsId netns = 0;
  std::uint16_t port = 0;
  std::array<std::uint32_t, kStateCount> sockets{};
  std::uint32_t unaccepted_close_wait = 0;
  std::uint64_t recv_q = 0, send_q = 0;
  auto operator<=>(const PortTotals&) const = default;
};

/// Local ports in use towards one destination: connect() needs one that no other connection to it has. With the most.
struct PortUse {
  NetnsId netns = 0;
  Endpoint source;         ///< the address on our side; port 0
  Endpoint destination;    ///< address and port on the other side
  std::uint64_t used = 0;  ///< distinct local ports, those in TIME_WAIT included
  std::uint64_t timewait = 0;
  auto operator<=>(const PortUse&) const = default;
};

/// How attempts to connect ended that did not succeed.
enum class ConnectEnd : std::uint8_t {
  refused,      ///< RST: nobody listens there
  timed_out,    ///< no answer to any SYN (ETIMEDOUT)
  unreachable,  ///< no route, or an ICMP error
  given_up,     ///< closed by the program while it was waiting
  no_port,      ///< EADDRNOTAVAIL: no local port was free
  other,
};

/// Failed attempts to connect, of one process to one destination: a run without a pause of a minute or more.
struct FailedConnects {
  NetnsId netns = 0;
  Pid pid = 0;  ///< 0 if not known
  std::string comm;
  Endpoint destination;
  ConnectEnd end = ConnectEnd::other;
  std::uint64_t count = 0;
  std::uint64_t last_ms_ago = 0;
  std::uint64_t waited_ms = 0;  ///< how long the last one had waited
  auto operator<=>(const FailedConnects&) const = default;
};

/// Segments that were sent again, by what made the kernel do it.
struct RetransmitCounts {
  std::uint64_t fast = 0;           ///< the peer's acknowledgements told that it was missing
  std::uint64_t tail_probe = 0;     ///< the last one on its way, after some two round trips without an answer
  std::uint64_t timeout = 0;        ///< the first one on its way, by the retransmission timer
  std::uint64_t after_timeout = 0;  ///< those behind it, once it was acknowledged
  std::uint64_t syn = 0, syn_ack = 0;
  std::uint64_t other = 0;  ///< the path takes smaller segments only; data of a SYN that was not taken
  std::uint64_t total() const;
  auto operator<=>(const RetransmitCounts&) const = default;
};
inline constexpr std::array kRetransmitKinds = {&RetransmitCounts::fast,    &RetransmitCounts::tail_probe,
                                                &RetransmitCounts::timeout, &RetransmitCounts::after_timeout,
                                                &RetransmitCounts::syn,     &RetransmitCounts::syn_ack,
                                                &RetransmitCounts::other};

/// All that connections of a namespace sent again towards one address since the agent started. An address is listed as
/// long as something was sent again in the last minutes; one that comes again begins at 0.
struct Retransmits {
  NetnsId netns = 0;
  Endpoint destination;  ///< port 0
  RetransmitCounts segments;
  std::uint64_t last_ms_ago = 0;
  auto operator<=>(const Retransmits&) const = default;
};

/// Packets of TCP that the kernel threw away for one reason at one place since the agent started: of connections by the
/// other end's address, for a listener by its port. What is no loss is not counted (advisor/evidence/drop_reasons.h).
/// Listed as long as something was dropped in the last minutes; what comes again begins at 0.
struct Drops {
  NetnsId netns = 0;       ///< where the packet was then, not always that of its connection
  Endpoint peer;           ///< port 0; unspecified where `port` is given
  std::uint16_t port = 0;  ///< local port of SYNs and of all that came to a listener; 0: of a connection
  bool outgoing = false;   ///< on its way from a socket of this host; else on its way to one, or through
  std::string reason;      ///< the kernel's name for it: "NETFILTER_DROP"; "NOT_SPECIFIED": it gives none
  std::string function;    ///< of the kernel, that dropped it; empty: not known
  std::uint64_t segments = 0;
  std::uint64_t last_ms_ago = 0;
  auto operator<=>(const Drops&) const = default;
};

/// What one process closes or shuts down, not by its end: since it began, or since a pause of 5 minutes. Closes within
/// 10 ms of each other are a clump; those of 4 and more are kept, unless one goes on for more than 100 ms. Not in a
/// clump: what was accepted and read just before it was closed, or never had a byte: it may have waited for accept()
/// only.
struct Closes {
  NetnsId netns = 0;
  Pid pid = 0;  ///< 0 if not known
  std::string comm;
  std::uint64_t count = 0;  ///< connections, in clumps or not
  std::optional<std::uint64_t>
      resets;  ///< of them by a reset (data was unread, or the linger time 0); nothing if not counted
  /// Of the resets by a linger time of 0 those that threw data away, and how much was not acknowledged; as above.
  std::optional<std::uint64_t> lost, lost_bytes;
  std::uint64_t since_ms = 0;  ///< the first was so long before the last
  std::uint64_t last_ms_ago = 0;
  std::uint64_t clumps = 0, gathered = 0, largest = 0;  ///< gathered: closes in clumps
  Endpoint destination;                                 ///< of the last one
  std::uint64_t elsewhere = 0;  ///< of the gathered, to another destination than the one before it
  // Means over the gathered, or over the clumps.
  double quiet_ms = 0, used_ms = 0;               ///< since the last byte; from the opening until then
  double youngest_ms = 0, oldest_ms = 0;          ///< of a clump, since the connection was opened
  double shortest_quiet_ms = 0, quietest_ms = 0;  ///< of a clump
  auto operator<=>(const Closes&) const = default;
};

/// "TcpExt.ListenDrops", "Tcp.RetransSegs", "IpExt.InOctets" … from /proc/net/{netstat,snmp} of one namespace, and
/// "Device.NAME.dropped": packets that a device of it, or the queueing discipline in front, did not send;
/// "Conntrack.drop" and others from /proc/net/stat/nf_conntrack, all processors added up.
using Counters = std::map<std::string, std::uint64_t>;

/// A setting as the kernel holds it. Triples such as tcp_rmem have three values.
struct Sysctl {
  std::vector<std::int64_t> values;
  std::string text;          ///< as read; for settings that are words
  bool host_global = false;  ///< one value for the host, whatever the namespace
  auto operator<=>(const Sysctl&) const = default;
};
using Sysctls = std::map<std::string, Sysctl>;  ///< by full name, "net.ipv4.tcp_rmem"

/// What gives a setting its value from a file.
enum class SettingWriter : std::uint8_t {
  command_line,  ///< of the kernel: sysctl.net.core.somaxconn=1024
  sysctl_conf,   ///< /etc/sysctl.conf, by hand: `sysctl -p`, or `sysctl --system`, which applies it last; not at boot
  sysctl_d,      ///< what is applied at boot: sysctl.d(5), or where there is no systemd sysctl.conf too, as the last
  tuned,         ///< the active profile
};

/// One line of a file that gives one of knobs() a value, in the namespace and on the host where pid 1 is.
struct SettingLine {
  std::string knob;   ///< by full name, also where the line has a pattern
  std::string value;  ///< as written, printable, shortened where it is very long
  std::string file;
  std::uint32_t line = 0;  ///< from 1; 0 if it has no lines
  SettingWriter writer = SettingWriter::sysctl_d;
  auto operator<=>(const SettingLine&) const = default;
};

/// Who sets settings on this host, as far as that is visible.
struct SettingFiles {
  std::vector<SettingLine> lines;   ///< of each knob in the order of applying; those of sysctl_conf first
  std::string tuned_profile;        ///< the active one, empty if there is none
  bool tuned_is_last = false;       ///< it does not apply sysctl.d again after its own profile
  std::vector<std::string> tuners;  ///< services that run and change settings: "bpftune", "tuned"
  bool of_container = false;        ///< the files are those of a container that has no init to apply them
  std::uint64_t unreadable = 0;     ///< files
  auto operator<=>(const SettingFiles&) const = default;
};

struct Sockstat {
  std::uint64_t tcp_inuse = 0, tw = 0;  ///< of this namespace (IPv4 + IPv6); tw also counts orphan FIN_WAIT_2
  std::uint64_t orphan = 0, alloc = 0, mem_pages = 0;  ///< of the whole host
  auto operator<=>(const Sockstat&) const = default;
};

/// One network device, and the queueing discipline in front of it.
struct Device {
  std::string name;
  std::uint32_t mtu = 0;
  std::string qdisc;  ///< "fq_codel", "noqueue" …; of several the root's
  std::optional<std::uint64_t> qdisc_drops, qdisc_overlimits, qdisc_backlog;  ///< packets, times, bytes now
  std::optional<std::uint64_t> tx_packets, tx_dropped, rx_dropped;            ///< by the device itself
  auto operator<=>(const Device&) const = default;
};

/// The table of connections that the packet filter tracks. What it drops is in the counters: "Conntrack.drop" …
struct Conntrack {
  std::uint64_t count = 0;           ///< entries of this namespace
  std::optional<std::uint64_t> max;  ///< how many a namespace may have, most kernels know one limit for all; 0: any
  auto operator<=>(const Conntrack&) const = default;
};

/// The queue of packets in front of TCP of one processor, since boot: /proc/net/softnet_stat. The kernel counts in 32
/// bits and begins again at 0.
struct Softnet {
  std::uint32_t cpu = 0;
  std::uint32_t processed = 0, dropped = 0, time_squeeze = 0;
  std::uint32_t steered = 0;       ///< times that another processor gave it packets to do (RPS)
  std::uint32_t flow_limited = 0;  ///< of the dropped: because one flow had too much of a queue (flow_limit_cpu_bitmap)
  auto operator<=>(const Softnet&) const = default;
};

/// How much time was lost by waiting for one resource (pressure stall information).
struct Stall {
  double percent_10 = 0, percent_60 = 0;  ///< of the last 10 and 60 s
  std::uint64_t total_us = 0;             ///< since boot
  auto operator<=>(const Stall&) const = default;
};

/// What tasks of the whole host wait for. "some": one at least did, "full": all that had anything to do.
struct HostPressure {
  std::optional<Stall> memory_some, memory_full, cpu_some, io_some, io_full;
  std::optional<std::uint64_t> allocation_stalls;  ///< times that a task had to free memory itself before it got some
  std::optional<std::uint64_t> oom_kills;          ///< both since boot
  auto operator<=>(const HostPressure&) const = default;
};

struct NetnsSample {
  NetnsId id = 0;
  std::string name;      ///< "host", a name under /run/netns, or "pid:N"
  bool is_host = false;  ///< the namespace of pid 1 if we can see it, else ours
  std::string error;     ///< why it was not (fully) read; empty when it was
  StateTable states{};
  Counters counters;
  Sysctls sysctls;
  std::optional<Sockstat> sockstat;
  std::vector<Device> devices;  ///< empty: not known
  std::optional<Conntrack> conntrack;
  auto operator<=>(const NetnsSample&) const = default;
};

struct TcpMemory {
  std::optional<std::uint64_t> pages;                        ///< allocated now, host-wide
  std::optional<std::array<std::uint64_t, 3>> limits_pages;  ///< tcp_mem: min, pressure, max
  std::optional<bool> under_pressure;
  std::optional<std::uint64_t> pressure_ms;  ///< how long pressure has lasted
  std::uint64_t page_size = 4096;
  auto operator<=>(const TcpMemory&) const = default;
};

/// Memory refusals seen by sock_exceed_buf_limit since the agent started.
struct BufferRefusals {
  std::uint64_t host_send = 0, host_recv = 0, cgroup_send = 0, cgroup_recv = 0;
  auto operator<=>(const BufferRefusals&) const = default;
};

/// Totals since the agent started, kept in the kernel; they survive lost events.
struct LifecycleTotals {
  std::uint64_t opened = 0, closed = 0;
  std::uint64_t closed_by_us = 0, closed_by_peer = 0, reset = 0;  ///< who ended it first
  std::uint64_t unread_at_close = 0, unread_bytes_at_close = 0;   ///< closes that threw away received data (RST)
  /// Closes with data not acknowledged; not where the peer ended the connection with a reset.
  std::uint64_t unsent_at_close = 0, unsent_bytes_at_close = 0;
  std::uint64_t bytes_sent = 0, bytes_received = 0;  ///< of closed connections, payload, without retransmits
  std::uint64_t send_calls = 0, recv_calls = 0;
  /// dwell[state][k]: times that a connection stayed 2^k ms <= t < 2^(k+1) ms in a state (k = 0 also takes < 1 ms)
  std::array<std::array<std::uint64_t, 24>, kStateCount> dwell_log2_ms{};
  std::map<std::string, std::uint64_t> resets_sent;  ///< by the kernel's reason; key "unknown" before 6.10
  auto operator<=>(const LifecycleTotals&) const = default;
};

/// One way to obtain a fact, tried by really loading and attaching it.
struct Attempt {
  std::string source;  ///< "fexit tcp_sendmsg", "iter/tcp", "sock_diag", "/proc/net/tcp" …
  SourceKind kind = SourceKind::none;
  AttemptOutcome outcome = AttemptOutcome::failed;
  std::string why_not;  ///< what the kernel said
  std::string cure;     ///< capability, kernel option or mount that would make it work; empty if there is none
  bool why_not_names_cure = false;  ///< a sentence that shows both would say it twice
  int sys_errno = 0;
  bool works() const { return outcome == AttemptOutcome::works; }
  auto operator<=>(const Attempt&) const = default;
};

/// How one fact is obtained now. `in_use` is empty when there is no way.
struct FactCoverage {
  FactId fact = FactId::snapshot;
  std::string in_use;                  ///< source of the attempt in use
  SourceKind kind = SourceKind::none;  ///< of that source
  bool exact = true;                   ///< false: sampled or a lower bound
  std::string remark;                  ///< what the user should know, in a few words
  std::vector<Attempt> attempts;       ///< best first
  auto operator<=>(const FactCoverage&) const = default;
};

struct SelfCost {
  double snapshot_ms = 0;      ///< duration of the last walk over all sockets and owners
  double snapshot_age_ms = 0;  ///< age of that walk when the sample was made
  std::uint64_t sockets_walked = 0;
  bool partial = false;  ///< the walk, or the list of rows, is not complete; `partial_why` says how
  std::string partial_why;
  double cpu_percent = 0;  ///< of one core, since the last sample
  std::uint64_t rss_bytes = 0;
  double hook_ns_per_s = 0;  ///< time in our BPF programs, as measured last (one slice in 30 s); 0 before the first
  std::string hooks_not_measured;  ///< why that time is not known, in a few words; empty if it is, or will be soon
  std::map<std::string, std::uint64_t>
      lost;  ///< by kind; every kind that can happen is present, 0 when nothing was lost
  auto operator<=>(const SelfCost&) const = default;
};

struct HostFacts {
  std::string name, kernel;
  std::uint32_t cpus = 0;
  std::uint64_t mem_bytes = 0, mem_available_bytes = 0, uptime_s = 0;
  auto operator<=>(const HostFacts&) const = default;
};

struct Sample {
  std::uint64_t mono_ms = 0;  ///< monotonic clock at the end of the tick
  std::int64_t wall_ms = 0;   ///< unix time, for people
  HostFacts host;
  TcpMemory memory;
  std::optional<Sockstat> host_sockstat;
  std::vector<NetnsSample> netns;      ///< the host's first
  std::vector<SocketRow> sockets;      ///< the ones that matter or are shown; see self.partial
  std::vector<UserQueue> user_queues;  ///< verified ones only, by (netns, local, remote); kept for a while once ended
  std::uint64_t rows_suppressed = 0;   ///< mattered, but over the limit of rows (still in the totals)
  bool quiet_unlisted = false;  ///< connections without a row were looked at in turn, and carried nothing just then
  std::vector<OwnerTotals> owners;
  std::vector<NetworkTotals> networks;  ///< with the most sockets or memory, the others added up; empty: not known
  std::vector<CgroupTotals> cgroups;
  GroupNames group_names;  ///< of the containers and pods that owners and cgroups are in
  std::vector<PortTotals> ports;
  std::vector<PortUse> port_use;  ///< the destinations with the most ports in use, most first
  std::vector<FailedConnects> failed_connects;
  std::vector<Retransmits> retransmits;  ///< by namespace and address; empty also where no hook sees them
  std::vector<Drops> drops;              ///< most first; empty also where no hook sees them
  std::vector<Closes> closes;            ///< by process, most gathered first
  std::optional<BufferRefusals> refusals;
  std::optional<LifecycleTotals> lifecycle;
  std::vector<Softnet> softnet;  ///< by processor; empty: not known
  std::optional<HostPressure> host_pressure;
  std::optional<SettingFiles> setting_files;  ///< read now and then
  std::vector<FactCoverage> coverage;
  SelfCost self;

  const FactCoverage* fact(FactId id) const;  ///< null if not listed
  bool knows(FactId id) const;                ///< the fact has a source in use
  SourceKind source(FactId id) const;         ///< the kind of that source
  const NetnsSample* find_netns(NetnsId id) const;
  const NetnsSample* host_netns() const;
  const OwnerTotals* find_owner(Pid pid) const;
  std::optional<OwnerGroup> group_at(std::string_view cgroup_path) const {
    return owner_group_of(cgroup_path, group_names);
  }
  const UserQueue* user_queue_of(const SocketRow& row) const;  ///< null if nobody speaks for it
  const SocketRow* row_of(const UserQueue& queue) const;       ///< null if the socket is gone or has no row
  auto operator<=>(const Sample&) const = default;
};

using SamplePtr = std::shared_ptr<const Sample>;

}  // namespace tcpadvisor
