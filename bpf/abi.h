/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the BPF programs and the agent (agent/kernel) say to each other. Both sides include exactly this file; every
 * struct has fixed-size fields, explicit padding and an asserted size. */
#ifndef TCPADVISOR_ABI_H
#define TCPADVISOR_ABI_H

#ifdef __cplusplus
#include <cstdint>
#define TA_ASSERT_SIZE(type, size) static_assert(sizeof(type) == (size), #type " changed its size")
namespace tcpadvisor::abi {
using ta_u8 = std::uint8_t;
using ta_u16 = std::uint16_t;
using ta_u32 = std::uint32_t;
using ta_u64 = std::uint64_t;
using ta_s64 = std::int64_t;
#else
#define TA_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " changed its size")
typedef __u8 ta_u8;
typedef __u16 ta_u16;
typedef __u32 ta_u32;
typedef __u64 ta_u64;
typedef __s64 ta_s64;
#endif

enum {
  TA_STATES = 13,  /* TCP states 1..12, index 0 unused (include/net/tcp_states.h) */
  TA_SLOTS = 24,   /* call sizes: 0 error, 1 EAGAIN, 2 empty, 3+k: 2^k <= size < 2^(k+1) */
  TA_COMM = 16,    /* TASK_COMM_LEN */
  TA_CA_NAME = 16, /* TCP_CA_NAME_MAX */
  TA_RESET_REASONS = 32,
  TA_DWELL_STATES = 16, /* both rounded up to powers of two, so that a mask bounds the index for the verifier */
  TA_DWELL_SLOTS = 32,
  TA_SMALL_WRITE = 1024,     /* bytes; below, a write is a small one */
  TA_PORT_SLOTS = 1024,      /* listening ports per namespace that get totals of their own */
  TA_PORT_UNLISTED = 0xffff, /* in `port_slot`: we listen there, without totals */
  TA_CGROUP_SLOTS = 1024,
  TA_DESTINATIONS = 8192,  /* per namespace, for which the local ports in use are counted */
  TA_CONNECTS = 4096,      /* failing attempts to connect that are counted: process, destination, reason */
  TA_CLOSERS = 4096,       /* processes whose close() is counted */
  TA_IDLE_SLOTS = 6,       /* idle for less than 1 s, 5 s, 1 min, 10 min, 1 h; longer */
  TA_RESTS_FROM = 3,       /* the first slot of connections that rest: a minute and longer */
  TA_NETWORKS = 4096,      /* of a walk: processes and the networks that their connections lead to */
  TA_NETWORKS_WIDE = 1024, /* of those, kept for connections whose network found no room */
  TA_COPIES = 2,           /* of the program that sees state changes */
  TA_PEERS = 4096,         /* addresses towards which connections sent something again */
  TA_DROPS = 2048,         /* kinds of drops: reason, function, address */
  TA_DROPS_HANDSHAKE = 512,
  TA_FUNCTION = 48,       /* bytes of a function's name, with the 0 */
  TA_PEERS_SILENT = 1024, /* the same, of handshakes: spoofed addresses must not take the room of the others */
};

/* Settings, fixed when an object is loaded (section .rodata.cfg): what is off is pruned by the verifier. */
struct ta_config {
  ta_u32 in_hash;     /* 1: per-socket state lives in the hash `flows`, because socket storage is not to be had */
  ta_u32 max_rows;    /* rows per walk */
  ta_u32 max_tw_rows; /* of those, at most so many mini-sockets (peers of orphan FIN_WAIT_2) */
  ta_u32 read_ahead;  /* the kernel has bpf_rdonly_cast(): the walks may read ahead of themselves */
};
TA_ASSERT_SIZE(struct ta_config, 16);

/* Per socket, in socket storage (or in the hash). Written by hooks, read by the walk and at CLOSE. */
struct ta_sock {
  ta_u32 send[TA_SLOTS];
  ta_u32 recv[TA_SLOTS];
  ta_u32 last_send_j, last_recv_j; /* jiffies of the last call, low 32 bits; 0: none */
  ta_u32 tgid;      /* who sends, else who first read, connected or closed; from process context only; 0: not known */
  ta_u32 small_run; /* small writes since the last read or large write */
  char comm[TA_COMM];
  ta_u64 since_ns;   /* CLOCK_MONOTONIC when the present state began; 0: not seen */
  ta_u64 blocked_ns; /* time in which at least one sender waited for memory */
  ta_u64 blocked_since_ns;
  ta_u32 blocked_count;
  ta_u32 waiters;
  ta_u32 small_runs;
  ta_u32 accept_peak; /* listeners */
  ta_u8 ended_by;     /* enum ta_ended_by */
  ta_u8 pad[3];
  ta_u32 opened_j; /* jiffies when it became ESTABLISHED, low 32 bits; 0: not seen */
};
TA_ASSERT_SIZE(struct ta_sock, 272);

enum ta_ended_by { TA_ENDED_UNKNOWN = 0, TA_ENDED_BY_US = 1, TA_ENDED_BY_PEER = 2 };

enum ta_holder { TA_HOLDER_APP = 0, TA_HOLDER_UNACCEPTED = 1, TA_HOLDER_ORPHAN = 2, TA_HOLDER_KERNEL = 3 };
enum ta_kind { TA_KIND_FULL = 0, TA_KIND_TIMEWAIT = 1, TA_KIND_REQUEST = 2 };
enum ta_row_flags {
  TA_ROW_HAS_SOCK = 1, /* `sock` below is filled in */
  TA_ROW_NOSPACE = 2,  /* SOCK_NOSPACE: a sender wants room */
  TA_ROW_APP_LIMITED = 4,
  TA_ROW_KEEPALIVE = 8,    /* the keepalive timer is pending */
  TA_ROW_HAS_SCALING = 16, /* scaling_ratio exists in this kernel */
  TA_ROW_MPTCP = 32,       /* a subflow or listener of MPTCP */
  TA_ROW_KEEPOPEN = 64,    /* SO_KEEPALIVE */
  TA_ROW_LINGER = 128,     /* SO_LINGER */
  TA_ROW_CWND_LIMITED = 256,
  TA_ROW_LOOKED = 512, /* does not matter, but was looked at and is in use (struct ta_look) */
  TA_ROW_PACED = 1024, /* by TCP itself or by fq: pacing_rate is kept to */
};

/* One socket, written by the walk over a namespace. Addresses in network order, ports in host order. Times are ages in
 * jiffies. */
struct ta_row {
  ta_u64 cookie; /* made on demand, so every row has one; joins with struct ta_held */
  ta_u64 inode;
  ta_u64 cgroup_id;
  ta_u64 bytes_sent, bytes_retrans, bytes_acked, bytes_received;
  ta_u8 local[16], remote[16];
  ta_u16 family, local_port, remote_port, mss;
  ta_u8 state, kind, holder, locks; /* locks: 1 SO_SNDBUF, 2 SO_RCVBUF */
  ta_u32 flags;
  ta_u32 uid;
  ta_u32 recv_q, send_q, not_sent;
  ta_u32 rcvbuf, sndbuf, rmem_alloc, wmem_queued, fwd_alloc, backlog_bytes, drops;
  ta_u32 accept_queue, accept_limit;
  ta_u32 snd_wnd, rcv_wnd, snd_cwnd;
  ta_u32 srtt_us8, min_rtt_us, rcv_rtt_us8; /* srtt and rcv_rtt are the kernel's µs * 8 */
  ta_u32 chrono_busy_j, chrono_rwnd_j, chrono_sndbuf_j;
  ta_u32 last_sent_j, last_recv_j, last_ack_j;
  ta_u32 total_retrans;
  ta_u32 packets_out, lost_out, snd_ssthresh, data_segs_out, data_segs_in, delivered, dsack_dups, reord_seen,
      rcv_ooopack;
  ta_u32 rate_delivered, rate_interval_us;
  ta_u32 rto_j, pmtu, user_timeout_ms, rcvlowat, linger_j;
  ta_u8 snd_wscale, rcv_wscale, probes_out, backoff;
  ta_u8 scaling_ratio, icsk_pending, nonagle, pad; /* nonagle: 1 TCP_NODELAY, 2 TCP_CORK */
  ta_u16 advmss, spot;                             /* spot: struct ta_look */
  ta_u32 send_timeout_j, recv_timeout_j;           /* ~0: none */
  ta_u32 wmem_alloc;                               /* bytes below TCP: in the queue of the device, or in the device */
  ta_u64 pacing_rate;                              /* bytes a second, ~0: not paced */
  char ca_name[TA_CA_NAME];
  ta_u64 state_ns;                   /* age of the state, 0: not seen by a hook */
  ta_u32 since_send_j, since_recv_j; /* age of the last call */
  struct ta_sock sock;
};
TA_ASSERT_SIZE(struct ta_row, 608);

struct ta_sums {
  ta_u64 count, recv_q, send_q, rmem, wmem;
};
TA_ASSERT_SIZE(struct ta_sums, 40);

struct ta_port {
  ta_u16 port, pad;
  ta_u32 sockets[TA_STATES];
  ta_u32 unaccepted_close_wait;
  ta_u32 pad2;
  ta_u64 recv_q, send_q;
};
TA_ASSERT_SIZE(struct ta_port, 80);

struct ta_cgroup {
  ta_u64 id;
  struct ta_sums sums;
};
TA_ASSERT_SIZE(struct ta_cgroup, 48);

/* What one walk asks for and what it adds up; lives in the object's .bss, mapped into the agent. */
struct ta_walk {
  /* asked */
  ta_u32 all;
  ta_u32 min_recv_q, min_send_q;
  ta_u32 used_j; /* TA_USED_MS in jiffies; bpf/matters.h */
  /* answered */
  ta_u64 walked, rows, suppressed, unaggregated;
  ta_u32 tw_rows, ports, cgroups, looked;
  ta_u64 mem_pages;
  ta_u64 mem_limit[3];
  ta_u64 pressure_j; /* jiffies when pressure began, 0: none */
  ta_u64 now_j;
  ta_u32 mem_known;
  ta_u32 pid_level; /* depth of the reader's pid namespace, 0: the first */
  struct ta_sums states[TA_STATES];
  struct ta_port port[TA_PORT_SLOTS];
  struct ta_cgroup cgroup[TA_CGROUP_SLOTS];
  ta_u16 port_slot[65536]; /* port -> index + 1 in `port` */
};

/* Where there are too many sockets for a row each, the walks look at a part of them in turn, and at those that the
 * agent follows: what is in use gets a row. A socket's spot is 16 bits that its addresses and ports hash to.
 * Asked; the same for both walks, so that a row finds its owner. */
enum { TA_SPOTS = 65536 };
struct ta_look {
  ta_u32 on;
  ta_u32 mask, turn; /* looked at: spots with (spot & mask) == turn */
  ta_u32 max_rows;   /* of one walk over a namespace */
  ta_u64 followed[TA_SPOTS / 64];
};

/* Who connects to whom: addresses in network order, IPv4 as ::ffff:a.b.c.d; the port of the destination. */
struct ta_pair {
  ta_u32 source[4], destination[4];
  ta_u32 port;
};

struct ta_destination {
  struct ta_pair pair;
  ta_u32 walk; /* that filled it; of an earlier one it is free */
  ta_u32 used, timewait;
  ta_u32 bound, bound_timewait; /* of those, ports that bind() chose: nobody else of that address has them */
};
TA_ASSERT_SIZE(struct ta_destination, 56);

/* Local ports in use towards each destination; as ta_walk, but not emptied for each walk. */
struct ta_towards {
  /* asked */
  ta_u32 walk;      /* number of this walk, never 0 */
  ta_u16 low, high; /* the ports that connect() chooses from, both included */
  /* answered */
  ta_u32 count, pad;
  ta_u64 uncounted;               /* sockets whose destination had no room */
  ta_u16 filled[TA_DESTINATIONS]; /* indices of the slots of this walk */
  struct ta_destination slot[TA_DESTINATIONS];
};

/* Records of the walk over descriptors: a process, or one matching socket of the process whose record follows later. */
enum ta_record { TA_RECORD_OWNER = 1, TA_RECORD_HELD = 2 };

struct ta_held {
  ta_u32 record; /* TA_RECORD_HELD */
  ta_u32 pid;    /* as the reader's pid namespace numbers it */
  ta_u32 fd;
  ta_u32 pad;
  ta_u64 cookie; /* 0: a socket of MPTCP, known by its inode */
  ta_u64 inode;
};
TA_ASSERT_SIZE(struct ta_held, 32);

/* What tells a program, or the kernel, that a peer has vanished: of ESTABLISHED connections to other hosts that were
 * looked at (all where every socket has a row, else those whose turn it is). */
struct ta_timeouts {
  ta_u32 looked;
  ta_u32 keepalive, user_timeout, send_timeout, recv_timeout; /* a connection may have several */
  ta_u32 none;
  ta_u32 none_idle[TA_IDLE_SLOTS]; /* of `none`, by the time since the last byte */
};
TA_ASSERT_SIZE(struct ta_timeouts, 48);

/* A process may have more than one record: threads with a table of descriptors of their own come when their turn comes.
 */
struct ta_owner {
  ta_u32 record; /* TA_RECORD_OWNER */
  ta_u32 tgid;   /* as the first pid namespace numbers it, and so do the hooks */
  ta_u32 pid;    /* as the reader's does */
  ta_u32 parent; /* likewise; 0: outside it */
  ta_u32 inner;  /* as the process' own does; 0: that is the reader's */
  ta_u32 fds;
  ta_u64 fd_limit;
  ta_u64 cgroup_id;
  ta_u64 netns;
  ta_u64 started_ns;         /* since the host started */
  ta_u64 program;            /* inode of the executable file */
  ta_u32 sockets[TA_STATES]; /* of TCP_CLOSE those that were connected once */
  ta_u32 old_close_wait, old_fin_wait_2;
  ta_u32 pad;
  ta_u64 recv_q, send_q, rmem, wmem;
  char comm[TA_COMM];
  struct ta_timeouts timeouts;
};
TA_ASSERT_SIZE(struct ta_owner, 224);

/* Which connections are added up together: those of one process to one port and network, whichever side has the port.
 * Where there are too many networks: to that port of all others. */
enum ta_width { TA_NETWORK_V4 = 4, TA_NETWORK_V6 = 6, TA_NETWORK_ANY = 0 }; /* a /24, a /64, all others */
struct ta_network_key {
  ta_u32 pid; /* as in ta_owner */
  ta_u32 netns;
  ta_u32 prefix[2]; /* network order */
  ta_u16 port;      /* where the process listens if `accepted`, else where it has connected to */
  ta_u8 accepted;
  ta_u8 width; /* enum ta_width */
};
TA_ASSERT_SIZE(struct ta_network_key, 20);

struct ta_network {
  struct ta_network_key key;
  ta_u32 walk; /* that filled it; of an earlier one it is free */
  ta_u32 sockets[TA_STATES];
  /* Of the ESTABLISHED ones those that were looked at, as in ta_timeouts. */
  ta_u32 looked;
  ta_u32 keepalive, nodelay;
  ta_u32 idle[TA_IDLE_SLOTS];                                             /* by the time since the last byte */
  ta_u32 silent[TA_IDLE_SLOTS];                                           /* of those, without keepalive */
  ta_u64 recv_q, send_q, rmem, wmem;                                      /* of all */
  ta_u64 fwd_alloc, bytes_sent, bytes_received, busy_j, rwnd_j, sndbuf_j; /* of those looked at */
  ta_u64 resting_bytes, resting_rcvbuf; /* memory that resting ones keep with empty queues; what they have grown to */
};
TA_ASSERT_SIZE(struct ta_network, 232);

/* As ta_towards, over all namespaces. */
struct ta_networks {
  /* asked */
  ta_u32 walk; /* number of this walk, never 0 */
  /* answered */
  ta_u32 count;
  ta_u64 widened;             /* sockets whose network had no room, and that are in the totals of all others */
  ta_u64 uncounted;           /* sockets for which there was no room at all */
  ta_u16 filled[TA_NETWORKS]; /* indices of the slots of this walk */
  struct ta_network slot[TA_NETWORKS];
};

struct ta_files {
  /* asked */
  ta_u32 all;
  ta_u32 min_recv_q, min_send_q;
  ta_u32 old_j; /* jiffies from which a closing state counts as old */
  ta_u32 max_held;
  ta_u32 used_j;
  ta_u32 number;                    /* of this walk, never 0 */
  ta_u32 netns;                     /* only sockets of this network namespace count, by its inode; 0: of all */
  ta_u32 idle_j[TA_IDLE_SLOTS - 1]; /* upper ends of the first slots, in jiffies */
  /* answered */
  ta_u32 pid_level, pad;
  ta_u64 files, held, suppressed;
  struct ta_owner now; /* the process being added up */
};

/* Totals since load, one per CPU and copy of the program that fills them (map `life`). */
struct ta_life {
  ta_u64 opened, closed, closed_by_us, closed_by_peer, reset;
  ta_u64 taken_over; /* state changes that the second copy counted, because the first was interrupted by them */
  ta_u64 unread_at_close, unread_bytes_at_close, unsent_at_close, unsent_bytes_at_close;
  ta_u64 bytes_sent, bytes_received, send_calls, recv_calls;
  ta_u64 dwell[TA_DWELL_STATES][TA_DWELL_SLOTS]; /* log2 of milliseconds */
  ta_u64 resets_sent[TA_RESET_REASONS];
};

struct ta_refusals {
  ta_u64 host_send, host_recv, cgroup_send, cgroup_recv;
  ta_u64 pressure_enters, pressure_leaves;
};

/* How an attempt to connect ended, in the order of ConnectEnd (advisor/evidence/sample.h). */
enum ta_connect_end {
  TA_CONNECT_REFUSED = 0,
  TA_CONNECT_TIMED_OUT = 1,
  TA_CONNECT_UNREACHABLE = 2,
  TA_CONNECT_GIVEN_UP = 3,
  TA_CONNECT_NO_PORT = 4,
  TA_CONNECT_OTHER = 5,
};

#define TA_CONNECT_RUN_NS 60000000000ull /* a longer pause ends a run of failures; the next one counts from 1 */

struct ta_connect_key {
  ta_u32 destination[4]; /* network order, IPv4 as ::ffff:a.b.c.d */
  ta_u32 netns;
  ta_u32 tgid; /* who called connect(), 0: not known */
  ta_u16 port;
  ta_u8 end; /* enum ta_connect_end */
  ta_u8 pad;
  ta_u32 pad2;
};
TA_ASSERT_SIZE(struct ta_connect_key, 32);

struct ta_connect {
  ta_u64 count;
  ta_u64 last_ns;   /* CLOCK_MONOTONIC */
  ta_u64 waited_ns; /* the last one, from SYN_SENT on */
  char comm[TA_COMM];
};
TA_ASSERT_SIZE(struct ta_connect, 40);

/* What was sent again, in the order of kRetransmitKinds (advisor/evidence/sample.h). */
enum ta_retransmit {
  TA_RETRANSMIT_FAST = 0,          /* in recovery: the peer's acknowledgements told of the loss */
  TA_RETRANSMIT_TAIL_PROBE = 1,    /* the last segment, after some two round trips without an answer */
  TA_RETRANSMIT_TIMEOUT = 2,       /* the first segment, by the timer */
  TA_RETRANSMIT_AFTER_TIMEOUT = 3, /* those behind it, once it was acknowledged */
  TA_RETRANSMIT_SYN = 4,
  TA_RETRANSMIT_SYN_ACK = 5,
  TA_RETRANSMIT_OTHER = 6, /* the path takes smaller segments only; data of a SYN that was not taken */
  TA_RETRANSMIT_KINDS = 7,
};

#define TA_RETRANSMITS_KEPT_NS 180000000000ull /* an address is forgotten when nothing was sent again for so long */

struct ta_peer_key {
  ta_u32 address[4]; /* network order, IPv4 as ::ffff:a.b.c.d */
  ta_u32 netns;
  ta_u32 pad;
};
TA_ASSERT_SIZE(struct ta_peer_key, 24);

struct ta_retransmits {
  ta_u64 segments[TA_RETRANSMIT_KINDS];
  ta_u64 last_ns; /* CLOCK_MONOTONIC */
};
TA_ASSERT_SIZE(struct ta_retransmits, 64);

/* Packets of TCP that were dropped: of a connection by the other end's address, of a listener by its port, also where
 * a SYN did not come so far. */
enum { TA_DROP_REASONS = 256 }; /* numbers below it have a mark of their own */

#define TA_DROPS_KEPT_NS 180000000000ull /* forgotten when nothing was dropped for so long */

struct ta_drop_key {
  ta_u64 location; /* in the kernel's text */
  ta_u32 peer[4];  /* as in ta_peer_key; 0 if `port` is not */
  ta_u32 netns;
  ta_u32 reason; /* enum skb_drop_reason */
  ta_u16 port;
  ta_u8 outgoing;
  ta_u8 pad[5];
};
TA_ASSERT_SIZE(struct ta_drop_key, 40);

struct ta_drops {
  ta_u64 segments;
  ta_u64 last_ns; /* CLOCK_MONOTONIC */
  char function[TA_FUNCTION];
};
TA_ASSERT_SIZE(struct ta_drops, 64);

/* What one process closes, or shuts down for writing: not what its end closes. Closes that follow each other
 * within TA_CLUMP_GAP_NS are a clump; of the clumps of TA_CLUMP_LEAST and more the sums are kept, unless one lasts
 * longer than TA_CLUMP_SPAN_NS: that is a steady stream. Sums begin again after a pause of TA_CLOSE_RUN_NS. Where two
 * threads close at the same moment one of both may be missing. Times in jiffies. */
#define TA_CLUMP_GAP_NS 10000000ull
#define TA_CLUMP_SPAN_NS 100000000ull
#define TA_CLOSE_RUN_NS 300000000000ull
enum { TA_CLUMP_LEAST = 4 };

struct ta_clump {
  ta_u64 first_ns, last_ns; /* CLOCK_MONOTONIC */
  ta_u32 closes;
  ta_u32 min_age_j, max_age_j;     /* since the connection was opened */
  ta_u32 min_quiet_j, max_quiet_j; /* since its last byte, either way, or the peer's FIN */
  ta_u32 elsewhere;                /* closes to another destination than the one before */
  ta_u64 quiet_j, used_j;          /* sums; used: from the opening to the last byte */
};
TA_ASSERT_SIZE(struct ta_clump, 56);

struct ta_closer {
  ta_u64 first_ns, last_ns;
  ta_u64 closes;             /* of all kinds */
  ta_u64 resets;             /* those with unread data, or with a linger time of 0 */
  ta_u64 lost, lost_bytes;   /* by a linger time of 0: connections, and what was not acknowledged */
  ta_u64 clumps, gathered;   /* those that count, and the closes in them */
  ta_u64 largest, elsewhere; /* of those */
  ta_u64 min_age_j, max_age_j, min_quiet_j, max_quiet_j; /* sums over them */
  ta_u64 quiet_j, used_j;
  ta_u32 destination[4]; /* of the last close, as in ta_connect_key */
  ta_u32 port;
  ta_u32 netns;
  char comm[TA_COMM];
  struct ta_clump now; /* not yet in the sums */
};
TA_ASSERT_SIZE(struct ta_closer, 224);

/* Map `lost`, one counter a kind, per CPU. */
enum ta_lost {
  TA_LOST_SOCK = 0,       /* socket storage could not be made, or the hash was full */
  TA_LOST_WAIT = 1,       /* a wait whose end was not seen */
  TA_LOST_SEEN = 2,       /* a shared socket that may have been counted twice in one process */
  TA_LOST_CONNECT = 3,    /* a failed attempt to connect, the table being full */
  TA_LOST_RETRANSMIT = 4, /* a segment that was sent again, the table being full */
  TA_LOST_CLOSER = 5,     /* a close(), the table of processes being full */
  TA_LOST_DROP = 6,       /* a packet that was dropped, the table being full */
  TA_LOST_KINDS = 7,
};

/* What our hooks cost, by the fact that they serve: one entry per CPU of map `costs`. Counted only while the variable
 * `measuring` is not 0. The kernel's own statistics would need CAP_SYS_ADMIN whenever they are switched, and slow down
 * every BPF program of the host. */
enum ta_hook {
  TA_HOOK_STATES = 0,
  TA_HOOK_CLOSE = 1,
  TA_HOOK_CALLS = 2,
  TA_HOOK_WAITING = 3,
  TA_HOOK_RESETS = 4,
  TA_HOOK_REFUSALS = 5,
  TA_HOOK_PRESSURE = 6,
  TA_HOOK_ACCEPT = 7,
  TA_HOOK_CONNECTS = 8,
  TA_HOOK_RETRANSMITS = 9,
  TA_HOOK_DROPS = 10,
  TA_HOOKS = 11,
};
struct ta_cost {
  ta_u64 runs, ns;
};
TA_ASSERT_SIZE(struct ta_cost, 16);

#ifdef __cplusplus
}  // namespace tcpadvisor::abi
#endif
#endif
