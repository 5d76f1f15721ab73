// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The snapshot. walk_tcp: every TCP socket of one namespace; walk_files: every descriptor of every process, for owners.
 * Both add up in the kernel and write a record only for sockets that matter. A record that does not fit into the
 * reader's buffer makes the kernel show the same socket again, so nothing is added up before its record is written. */
#include "bpf/vmlinux/flavors.h"
#include "bpf/ahead.h"
#include "bpf/matters.h"
#include "bpf/store.h"

struct ta_walk walk;
struct ta_row row; /* one walk at a time; too large for the stack */
struct ta_files files;
struct ta_held held;
struct ta_look look;

#include "bpf/networks.h"
#include "bpf/port_use.h"

struct queues {
  u32 recv_q, send_q, not_sent;
};

/* Data that waits in a queue is charged to the socket, so a socket without charges has empty queues. Most sockets of a
 * large host are like that, and the walk then need not touch the four cache lines that hold the sequence numbers.
 * Sequence numbers count SYN and FIN as one byte each: they are not data. */
static __always_inline struct queues queues_of(struct sock *sk, struct tcp_sock *tp, u8 state, u64 rmem, u64 wmem) {
  struct queues q = {0};
  if (!rmem && !wmem) return q;
  if (state == TCP_LISTEN || state == TCP_SYN_SENT || state == TCP_SYN_RECV || state == TCP_CLOSE) return q;
  u32 our_fin = state == TCP_FIN_WAIT1 || state == TCP_LAST_ACK || state == TCP_CLOSING;
  q.recv_q = positive(tp->rcv_nxt - tp->copied_seq - ((sk->__sk_common.skc_flags >> SOCK_DONE) & 1));
  q.send_q = positive(tp->write_seq - tp->snd_una - our_fin);
  q.not_sent = positive(tp->write_seq - tp->snd_nxt);
  if (q.not_sent && our_fin) q.not_sent--;
  return q;
}

/* Pids are numbers of a namespace. Who reads an iterator is the agent: its own namespace is the one that it shows. */
static __always_inline u32 pid_level_of_reader(void) {
  return BPF_CORE_READ(bpf_get_current_task_btf(), thread_pid, level);
}

static __always_inline struct upid number_at(struct pid *pid, u32 level) {
  struct upid number = {};
  if (pid && level <= BPF_CORE_READ(pid, level)) {
    u64 at = (u64)pid + bpf_core_field_offset(struct pid, numbers) + level * bpf_core_type_size(struct upid);
    bpf_probe_read_kernel(&number, sizeof(number), (void *)at);
  }
  return number;
}

static __always_inline bool recently_used(struct tcp_sock *tp, u32 now_j, u32 used_j) {
  return (tp->bytes_sent && now_j - tp->lsndtime <= used_j) ||
         (tp->bytes_received && now_j - tp->inet_conn.icsk_ack.lrcvtime <= used_j);
}

/* The same question for both walks, so that a row finds its owner. What is not needed for the answer is not read: it
 * lies in other cache lines. */
static __always_inline bool matters(struct sock *sk, struct tcp_sock *tp, u8 state, const struct queues *q, u32 now_j,
                                    u32 min_recv_q, u32 min_send_q, u32 used_j) {
  struct ta_question ask = {
      .state = state, .recv_q = q->recv_q, .send_q = q->send_q, .min_recv_q = min_recv_q, .min_send_q = min_send_q};
  if (q->recv_q) {
    ask.rcv_wnd_known = 1;
    ask.rcv_wnd = tp->rcv_wnd;
  }
  if (q->send_q) {
    ask.snd_wnd_known = 1;
    ask.snd_wnd = tp->snd_wnd;
  }
  ask.locked = sock_locks(sk);
  ask.rcvbuf = sk->sk_rcvbuf;
  if (ask.locked || ask.rcvbuf >= TA_GROWN) ask.recently_used = recently_used(tp, now_j, used_j);
  return ta_matters(&ask);
}

/* Every bit of the hash counts: the lower ones say where in its table a socket is, so in what order the walk comes to
 * it; the upper ones are the same for all that go from here to one service since the local port is merely added
 * (inet_ehashfn in net/ipv4/inet_hashtables.c, 6.15). 2^32 divided by the golden ratio takes neighbours far apart. */
static __always_inline u16 spot_of(struct sock *sk) {
  return sk->__sk_common.skc_hash * 0x9e3779b1u >> 16;
}

/* One of those whose turn it is or that are followed, and in use: other cache lines, so only asked for these. */
static __always_inline bool looked_at(struct sock *sk, struct tcp_sock *tp, u8 state, u32 now_j, u32 used_j) {
  if (!look.on || state == TCP_LISTEN) return false;
  u16 spot = spot_of(sk);
  if ((spot & look.mask) != look.turn && !((look.followed[spot >> 6] >> (spot & 63)) & 1)) return false;
  return recently_used(tp, now_j, used_j);
}

static __always_inline void add_sums(struct ta_sums *sums, const struct queues *q, u64 rmem, u64 wmem) {
  sums->count++;
  sums->recv_q += q->recv_q;
  sums->send_q += q->send_q;
  sums->rmem += rmem;
  sums->wmem += wmem;
}

/* Listeners come first in the walk, so a port is known before its connections come. */
static __always_inline void add_port(u8 state, u16 port, bool unaccepted, const struct queues *q) {
  u32 slot = walk.port_slot[port];
  if (!slot) {
    if (state != TCP_LISTEN) return;
    if (walk.ports >= TA_PORT_SLOTS) {
      walk.port_slot[port] = TA_PORT_UNLISTED;
      walk.unaggregated++;
      return;
    }
    slot = ++walk.ports;
    walk.port_slot[port] = slot;
    walk.port[(slot - 1) & (TA_PORT_SLOTS - 1)].port = port;
  }
  if (slot == TA_PORT_UNLISTED) {
    walk.unaggregated++;
    return;
  }
  struct ta_port *sums = &walk.port[(slot - 1) & (TA_PORT_SLOTS - 1)];
  if (state < TA_STATES) sums->sockets[state]++;
  if (unaccepted && state == TCP_CLOSE_WAIT) sums->unaccepted_close_wait++;
  sums->recv_q += q->recv_q;
  sums->send_q += q->send_q;
}

static u64 last_cgroup_id;
static u32 last_cgroup_slot;

/* Sockets of one group come in runs only by luck; a small open-addressed table costs less than a hash map. */
static __always_inline void add_cgroup(u64 id, const struct queues *q, u64 rmem, u64 wmem) {
  if (!id) return;
  u32 slot = last_cgroup_slot & (TA_CGROUP_SLOTS - 1);
  if (last_cgroup_id != id || walk.cgroup[slot].id != id) {
    slot = (u32)(id ^ (id >> 10) ^ (id >> 20)) & (TA_CGROUP_SLOTS - 1);
    bool found = false;
    for (int probe = 0; probe < 16; probe++) {
      if (walk.cgroup[slot].id == id || walk.cgroup[slot].id == 0) {
        found = true;
        break;
      }
      slot = (slot + 1) & (TA_CGROUP_SLOTS - 1);
    }
    if (!found) {
      walk.unaggregated++;
      return;
    }
    walk.cgroup[slot].id = id;
    last_cgroup_id = id;
    last_cgroup_slot = slot;
  }
  add_sums(&walk.cgroup[slot].sums, q, rmem, wmem);
}

static __always_inline void note_memory(struct sock_common *skc) {
  struct proto *prot = skc->skc_prot;
  if (!prot) return;
  walk.mem_known = 1;
  walk.mem_pages = BPF_CORE_READ(prot, memory_allocated, counter);
  long *limits = BPF_CORE_READ(prot, sysctl_mem);
  bpf_probe_read_kernel(walk.mem_limit, sizeof(walk.mem_limit), limits);
  unsigned long *flag = BPF_CORE_READ(prot, memory_pressure);
  bpf_probe_read_kernel(&walk.pressure_j, sizeof(walk.pressure_j), flag);
}

/* MAX_SCHEDULE_TIMEOUT is none. */
static __always_inline u32 timeout_of(long jiffies) {
  return jiffies < 0 || jiffies >= 0xffffffffl ? 0xffffffff : (u32)jiffies;
}

static __always_inline void fill_addresses(struct sock_common *skc) {
  row.family = skc->skc_family;
  row.local_port = skc->skc_num;
  row.remote_port = bpf_ntohs(skc->skc_dport);
  if (row.family == AF_INET6) {
    __builtin_memcpy(row.local, &skc->skc_v6_rcv_saddr, 16);
    __builtin_memcpy(row.remote, &skc->skc_v6_daddr, 16);
  } else {
    __builtin_memset(row.local, 0, sizeof(row.local));
    __builtin_memset(row.remote, 0, sizeof(row.remote));
    *(u32 *)row.local = skc->skc_rcv_saddr;
    *(u32 *)row.remote = skc->skc_daddr;
  }
}

static __always_inline int walk_timewait(struct bpf_iter__tcp *ctx, struct sock_common *skc) {
  struct tcp_timewait_sock *tw = bpf_skc_to_tcp_timewait_sock(skc);
  if (!tw) return 0;
  u8 state = tw->tw_sk.tw_substate;
  if (state >= TA_STATES) return 0;
  struct queues none = {0};
  if (state == TCP_FIN_WAIT2) { /* closed by us; the row names a peer that does not close */
    if (walk.rows < cfg.max_rows && walk.tw_rows < cfg.max_tw_rows) {
      __builtin_memset(&row, 0, sizeof(row));
      row.cookie = skc->skc_cookie.counter;
      row.state = state;
      row.kind = TA_KIND_TIMEWAIT;
      row.holder = TA_HOLDER_ORPHAN;
      fill_addresses(skc);
      if (bpf_seq_write(ctx->meta->seq, &row, sizeof(row))) return 0;
      walk.rows++;
      walk.tw_rows++;
    }
  }
  walk.walked++;
  walk.states[state].count++;
  add_port(state, skc->skc_num, false, &none);
  add_port_use(skc, state, true);
  return 0;
}

static __always_inline int walk_request(struct sock_common *skc) {
  struct queues none = {0};
  walk.walked++;
  walk.states[TCP_NEW_SYN_RECV].count++;
  add_port(TCP_NEW_SYN_RECV, skc->skc_num, false, &none);
  return 0;
}

static __always_inline void fill_tcp(struct tcp_sock *tp, u64 sk_flags, u32 now_j) {
  row.bytes_sent = tp->bytes_sent;
  row.bytes_retrans = tp->bytes_retrans;
  row.bytes_acked = tp->bytes_acked;
  row.bytes_received = tp->bytes_received;
  if (row.bytes_received && (sk_flags >> SOCK_DONE) & 1) row.bytes_received--; /* the FIN counts as one */
  row.mss = tp->mss_cache;
  row.snd_wnd = tp->snd_wnd;
  row.rcv_wnd = tp->rcv_wnd;
  row.snd_cwnd = tp->snd_cwnd;
  row.srtt_us8 = tp->srtt_us;
  row.min_rtt_us = tp->rtt_min.s[0].v;
  row.rcv_rtt_us8 = tp->rcv_rtt_est.rtt_us;
  row.total_retrans = tp->total_retrans;
  row.packets_out = tp->packets_out;
  row.lost_out = tp->lost_out;
  row.snd_ssthresh = tp->snd_ssthresh;
  row.data_segs_out = tp->data_segs_out;
  row.data_segs_in = tp->data_segs_in;
  row.delivered = tp->delivered;
  row.dsack_dups = tp->dsack_dups;
  row.reord_seen = tp->reord_seen;
  row.rcv_ooopack = tp->rcv_ooopack;
  row.rate_delivered = tp->rate_delivered;
  row.rate_interval_us = tp->rate_interval_us;
  row.advmss = tp->advmss;
  row.rto_j = tp->inet_conn.icsk_rto;
  row.pmtu = tp->inet_conn.icsk_pmtu_cookie;
  row.user_timeout_ms = tp->inet_conn.icsk_user_timeout;
  row.nonagle = BPF_CORE_READ_BITFIELD_PROBED(tp, nonagle);
  if (BPF_CORE_READ_BITFIELD_PROBED(tp, is_cwnd_limited)) row.flags |= TA_ROW_CWND_LIMITED;
  row.last_sent_j = now_j - tp->lsndtime;
  row.last_ack_j = now_j - tp->rcv_tstamp;
  row.last_recv_j = now_j - tp->inet_conn.icsk_ack.lrcvtime;
  row.snd_wscale = BPF_CORE_READ_BITFIELD_PROBED(tp, rx_opt.snd_wscale);
  row.rcv_wscale = BPF_CORE_READ_BITFIELD_PROBED(tp, rx_opt.rcv_wscale);
  row.probes_out = tp->inet_conn.icsk_probes_out;
  row.backoff = tp->inet_conn.icsk_backoff;
  row.icsk_pending = tp->inet_conn.icsk_pending;
  struct chronographs limited = chronographs_of(tp, now_j);
  row.chrono_busy_j = limited.busy_j;
  row.chrono_rwnd_j = limited.rwnd_j;
  row.chrono_sndbuf_j = limited.sndbuf_j;
  if (BPF_CORE_READ_BITFIELD_PROBED(tp, rate_app_limited)) row.flags |= TA_ROW_APP_LIMITED;
  row.scaling_ratio = window_scaling_ratio(tp);
  if (row.scaling_ratio) row.flags |= TA_ROW_HAS_SCALING;
  const struct tcp_congestion_ops *ops = tp->inet_conn.icsk_ca_ops;
  if (ops) bpf_probe_read_kernel_str(row.ca_name, sizeof(row.ca_name), ops->name);
}

SEC("iter/tcp")
int walk_tcp(struct bpf_iter__tcp *ctx) {
  struct sock_common *skc = ctx->sk_common;
  if (!skc) { /* the end */
    walk.now_j = bpf_jiffies64();
    walk.pid_level = pid_level_of_reader();
    return 0;
  }
  read_buckets_ahead(skc);
  u8 state = skc->skc_state;
  if (state == TCP_TIME_WAIT) return walk_timewait(ctx, skc);
  if (state == TCP_NEW_SYN_RECV) return walk_request(skc);
  struct tcp_sock *tp = bpf_skc_to_tcp_sock(skc);
  if (!tp || state >= TA_STATES) return 0;
  struct sock *sk = (struct sock *)tp;
  if (!walk.mem_known) note_memory(skc);

  u64 rmem = (u32)sk->sk_backlog.rmem_alloc.counter, wmem = (u32)sk->sk_wmem_queued;
  struct queues q = queues_of(sk, tp, state, rmem, wmem);
  struct socket *socket = sk->sk_socket;
  u8 holder = socket ? TA_HOLDER_APP : (skc->skc_flags & (1ul << SOCK_DEAD)) ? TA_HOLDER_ORPHAN : TA_HOLDER_UNACCEPTED;
  u32 now_j = (u32)bpf_jiffies64();
  u64 cgroup_id = sock_cgroup_id(sk);

  bool wanted = walk.all || matters(sk, tp, state, &q, now_j, walk.min_recv_q, walk.min_send_q, walk.used_j);
  bool looked = !wanted && walk.looked < look.max_rows && looked_at(sk, tp, state, now_j, walk.used_j);
  if (wanted || looked) {
    if (walk.rows < cfg.max_rows) {
      __builtin_memset(&row, 0, sizeof(row));
      row.spot = spot_of(sk);
      if (looked) row.flags |= TA_ROW_LOOKED;
      row.cookie = bpf_get_socket_cookie(sk);
      row.state = state;
      row.uid = ctx->uid;
      row.cgroup_id = cgroup_id;
      row.locks = sock_locks(sk);
      row.recv_q = q.recv_q;
      row.send_q = q.send_q;
      row.not_sent = q.not_sent;
      row.rcvbuf = sk->sk_rcvbuf;
      row.sndbuf = sk->sk_sndbuf;
      row.rmem_alloc = rmem;
      row.wmem_queued = wmem;
      row.fwd_alloc = sk->sk_forward_alloc;
      row.backlog_bytes = sk->sk_backlog.len;
      row.drops = sock_drops(sk);
      if (socket) {
        row.inode = BPF_CORE_READ(socket, file, f_inode, i_ino);
        if (socket->flags & (1ul << SOCK_NOSPACE)) row.flags |= TA_ROW_NOSPACE;
        if (!row.inode) holder = TA_HOLDER_KERNEL;
      }
      if (is_mptcp_subflow(tp)) { /* it has no file; its inode bears the number of the MPTCP socket's */
        holder = TA_HOLDER_KERNEL;
        row.flags |= TA_ROW_MPTCP;
        if (socket) row.inode = BPF_CORE_READ((struct socket_alloc *)socket, vfs_inode.i_ino);
      }
      row.holder = holder;
      if (sk->sk_timer.entry.pprev) row.flags |= TA_ROW_KEEPALIVE;
      if ((skc->skc_flags >> SOCK_KEEPOPEN) & 1) row.flags |= TA_ROW_KEEPOPEN;
      if ((skc->skc_flags >> SOCK_LINGER) & 1) row.flags |= TA_ROW_LINGER;
      row.linger_j = sk->sk_lingertime;
      row.rcvlowat = sk->sk_rcvlowat;
      row.pacing_rate = sk->sk_pacing_rate;
      if (sk->sk_pacing_status) row.flags |= TA_ROW_PACED;
      row.send_timeout_j = timeout_of(sk->sk_sndtimeo);
      row.recv_timeout_j = timeout_of(sk->sk_rcvtimeo);
      row.wmem_alloc = sk->sk_wmem_alloc.refs.counter - 1; /* the socket itself holds one */
      fill_addresses(skc);
      if (state == TCP_LISTEN) {
        row.accept_queue = sk->sk_ack_backlog;
        row.accept_limit = sk->sk_max_ack_backlog;
      } else {
        fill_tcp(tp, skc->skc_flags, now_j);
      }
      struct ta_sock *kept = find_sock(sk);
      if (kept) {
        __builtin_memcpy(&row.sock, kept, sizeof(row.sock));
        row.flags |= TA_ROW_HAS_SOCK;
        u64 now = bpf_ktime_get_ns();
        if (row.sock.since_ns) row.state_ns = now - row.sock.since_ns;
        if (row.sock.waiters && row.sock.blocked_since_ns) row.sock.blocked_ns += now - row.sock.blocked_since_ns;
        if (row.sock.last_send_j) row.since_send_j = now_j - row.sock.last_send_j;
        if (row.sock.last_recv_j) row.since_recv_j = now_j - row.sock.last_recv_j;
      }
      if (bpf_seq_write(ctx->meta->seq, &row, sizeof(row))) return 0; /* shown again with an empty buffer */
      walk.rows++;
      if (looked) walk.looked++;
    } else if (wanted) {
      walk.suppressed++;
    }
  }
  walk.walked++;
  add_sums(&walk.states[state], &q, rmem, wmem);
  add_port(state, skc->skc_num, holder == TA_HOLDER_UNACCEPTED, &q);
  add_port_use(skc, state, false);
  add_cgroup(cgroup_id, &q, rmem, wmem);
  return 0;
}

static __always_inline int write_owner(struct seq_file *seq) {
  if (files.now.tgid == 0) return 0;
  u32 tcp = 0;
#pragma unroll
  for (int i = 0; i < TA_STATES; i++) tcp += files.now.sockets[i];
  if (tcp && bpf_seq_write(seq, &files.now, sizeof(files.now))) return -1;
  __builtin_memset(&files.now, 0, sizeof(files.now));
  return 0;
}

static __always_inline void begin_owner(struct task_struct *task) {
  struct pid *pid = BPF_CORE_READ(task, signal, pids[PIDTYPE_TGID]);
  struct pid *parent = BPF_CORE_READ(task, group_leader, real_parent, signal, pids[PIDTYPE_TGID]);
  u32 level = files.pid_level, own_level = pid ? BPF_CORE_READ(pid, level) : 0;
  struct upid here = number_at(pid, level), above = number_at(parent, level);
  files.now.record = TA_RECORD_OWNER;
  files.now.tgid = task->tgid;
  files.now.pid = here.nr;
  if (above.ns == here.ns) files.now.parent = above.nr;
  if (own_level > level) files.now.inner = number_at(pid, own_level).nr;
  files.now.started_ns = BPF_CORE_READ(task, group_leader, start_boottime);
  files.now.program = BPF_CORE_READ(task, mm, exe_file, f_inode, i_ino);
  files.now.fd_limit = BPF_CORE_READ(task, signal, rlim[RLIMIT_NOFILE].rlim_cur);
  files.now.netns = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
  files.now.cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
  BPF_CORE_READ_STR_INTO(&files.now.comm, task, group_leader, comm);
}

/* Over, and not merely never begun: a handshake leaves a round-trip time behind, data its counters. A socket that was
 * opened in advance, and one whose connect() failed, have nothing. */
static __always_inline bool was_connected(struct tcp_sock *tp) {
  return tp->srtt_us || tp->bytes_received || tp->bytes_acked;
}

struct table {
  u64 files;
  u32 tgid, walk;
};

/* Tables of descriptors that are not the main thread's, by the thread that showed each: of a process whose main thread
 * has ended every thread shows the table that they share. Small and forgetful: few processes are like that. */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 4096);
  __type(key, struct table);
  __type(value, u32);
} tables SEC(".maps");

static __always_inline bool another_thread_shows_it(struct task_struct *task) {
  struct task_struct *leader = task->group_leader;
  if (task->tgid == task->pid || !leader) return false;
  if (task->files == BPF_CORE_READ(leader, files)) return true;
  struct table key = {.files = (u64)task->files, .tgid = task->tgid, .walk = files.number};
  u32 *shown_by = bpf_map_lookup_elem(&tables, &key), thread = task->pid;
  if (shown_by) return *shown_by != thread;
  bpf_map_update_elem(&tables, &key, &thread, BPF_ANY);
  return false;
}

struct seen {
  u32 tgid, walk;
};

/* The process that a socket with several descriptors was counted for last: its second descriptor in the same process
 * adds nothing. */
struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct seen);
} seen SEC(".maps");

struct pair {
  u64 sock;
  u32 tgid, pad;
};

/* The same for processes with threads: one with a table of its own comes when its number comes, and other processes lie
 * between. Forgets what it saw longest ago when there are more shared sockets than it holds. */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 16384);
  __type(key, struct pair);
  __type(value, u32);
} seen_by SEC(".maps");

static __always_inline bool counted_before(struct task_struct *task, struct file *file, struct sock *sk) {
  if (references_of(file) <= 2) return false; /* the descriptor's, and the one that this walk holds */
  if (BPF_CORE_READ(task, signal, nr_threads) > 1) {
    struct pair key = {.sock = (u64)sk, .tgid = task->tgid};
    u32 *walk_then = bpf_map_lookup_elem(&seen_by, &key), walk_now = files.number;
    if (walk_then && *walk_then == walk_now) return true;
    bpf_map_update_elem(&seen_by, &key, &walk_now, BPF_ANY);
    return false;
  }
  struct seen *mark = bpf_sk_storage_get(&seen, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
  if (!mark) {
    count_lost(TA_LOST_SEEN);
    return false;
  }
  if (mark->tgid == (u32)task->tgid && mark->walk == files.number) return true;
  mark->tgid = task->tgid;
  mark->walk = files.number;
  return false;
}

/* 0 when written or not to be written, else the record has to be shown again. */
static __always_inline int write_held(struct seq_file *seq, u32 fd, u64 cookie, u64 inode) {
  if (files.held >= files.max_held) {
    files.suppressed++;
    return 0;
  }
  held.record = TA_RECORD_HELD;
  held.pid = files.now.pid;
  held.fd = fd;
  held.cookie = cookie;
  held.inode = inode;
  if (bpf_seq_write(seq, &held, sizeof(held))) return -1;
  files.held++;
  return 0;
}

static __always_inline bool is_mptcp(struct sock *sk) {
  u16 family = sk->__sk_common.skc_family;
  return sk->sk_protocol == IPPROTO_MPTCP && (family == AF_INET || family == AF_INET6);
}

/* Of a peer on this host the end is known. */
static __always_inline bool leads_elsewhere(const struct sock_common *skc) {
  if (skc->skc_family == AF_INET6) {
    const u32 *here = skc->skc_v6_rcv_saddr.in6_u.u6_addr32, *there = skc->skc_v6_daddr.in6_u.u6_addr32;
    if (!there[0] && !there[1]) {
      if (!there[2] && there[3] == bpf_htonl(1)) return false;
      if (there[2] == bpf_htonl(0xffff) && (there[3] & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000)) return false;
    }
    return here[0] != there[0] || here[1] != there[1] || here[2] != there[2] || here[3] != there[3];
  }
  if ((skc->skc_daddr & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000)) return false;
  return skc->skc_daddr != skc->skc_rcv_saddr;
}

static __always_inline u32 idle_slot(struct tcp_sock *tp, u32 now_j) {
  u32 sent = now_j - tp->lsndtime, received = now_j - tp->inet_conn.icsk_ack.lrcvtime;
  u32 idle = sent < received ? sent : received, slot = 0;
#pragma unroll
  for (int i = 0; i < TA_IDLE_SLOTS - 1; i++) slot += idle >= files.idle_j[i];
  return slot;
}

/* Over, and silent for a second: who closes a connection a moment after it was reset keeps nothing. When it was reset
 * is not known; of one that had been idle before, this is true at once. */
static __always_inline bool is_dead(struct tcp_sock *tp, u32 now_j) {
  return was_connected(tp) && idle_slot(tp, now_j) > 0;
}

static __always_inline void add_timeouts(struct sock *sk, struct tcp_sock *tp, u32 slot) {
  if (!leads_elsewhere(&sk->__sk_common)) return;
  struct ta_timeouts *sums = &files.now.timeouts;
  u32 none = 1;
  sums->looked++;
  if ((sk->__sk_common.skc_flags >> SOCK_KEEPOPEN) & 1) sums->keepalive++, none = 0;
  if (tp->inet_conn.icsk_user_timeout) sums->user_timeout++, none = 0;
  if (timeout_of(sk->sk_sndtimeo) != 0xffffffff) sums->send_timeout++, none = 0;
  if (timeout_of(sk->sk_rcvtimeo) != 0xffffffff) sums->recv_timeout++, none = 0;
  if (!none) return;
  sums->none++;
  if (slot < TA_IDLE_SLOTS) sums->none_idle[slot]++;
}

/* Other cache lines, so not of every socket of a large host. */
static __always_inline bool is_looked_at(struct sock *sk) {
  return files.all || (look.on && (spot_of(sk) & look.mask) == look.turn);
}

/* The owner's own part is `files.now`; here what only some of its connections tell. */
static __always_inline void add_connection(struct sock *sk, struct tcp_sock *tp, u8 state, const struct queues *q,
                                           u64 rmem, u64 wmem, u32 now_j) {
  struct ta_network *network = add_to_network(sk, files.now.pid, state);
  if (network) {
    network->recv_q += q->recv_q;
    network->send_q += q->send_q;
    network->rmem += rmem;
    network->wmem += wmem;
  }
  if (state != TCP_ESTABLISHED || !is_looked_at(sk)) return;
  u32 slot = idle_slot(tp, now_j);
  add_timeouts(sk, tp, slot);
  if (network) look_at_connection(network, sk, tp, slot, q->recv_q || q->send_q, rmem + wmem, now_j);
}

SEC("iter/task_file")
int walk_files(struct bpf_iter__task_file *ctx) {
  struct seq_file *seq = ctx->meta->seq;
  struct task_struct *task = ctx->task;
  struct file *file = ctx->file;
  if (!task || !file) { /* the end */
    write_owner(seq);
    return 0;
  }
  if (another_thread_shows_it(task)) return 0;
  if ((u32)task->tgid != files.now.tgid) {
    if (write_owner(seq)) return 0; /* shown again */
    files.pid_level = pid_level_of_reader();
    begin_owner(task);
  }
  read_files_ahead(task, ctx->fd);
  struct socket *socket = bpf_sock_from_file(file);
  if (socket && !socket_operations) socket_operations = file->f_op;
  struct sock *sk = socket ? socket->sk : NULL;
  if (sk && files.netns && files.netns != BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum)) {
    files.files++;
    files.now.fds++;
    return 0;
  }
  struct tcp_sock *tp = sk ? bpf_skc_to_tcp_sock(sk) : NULL; /* null for every other kind of socket */
  if (!tp) {
    if (sk && is_mptcp(sk)) { /* what the walk over sockets sees are its subflows */
      if (write_held(seq, ctx->fd, 0, BPF_CORE_READ(file, f_inode, i_ino))) return 0;
      u8 state = sk->__sk_common.skc_state;
      if (state < TA_STATES && state != TCP_CLOSE && !counted_before(task, file, sk)) files.now.sockets[state]++;
    }
    files.files++;
    files.now.fds++;
    return 0;
  }
  u8 state = sk->__sk_common.skc_state;
  u64 rmem = (u32)sk->sk_backlog.rmem_alloc.counter, wmem = (u32)sk->sk_wmem_queued;
  struct queues q = queues_of(sk, tp, state, rmem, wmem);
  u32 now_j = (u32)bpf_jiffies64();
  if (files.all || matters(sk, tp, state, &q, now_j, files.min_recv_q, files.min_send_q, files.used_j) ||
      looked_at(sk, tp, state, now_j, files.used_j)) {
    if (write_held(seq, ctx->fd, bpf_get_socket_cookie(sk), 0)) return 0;
  }
  files.files++;
  files.now.fds++;
  if (counted_before(task, file, sk)) return 0;
  if (state < TA_STATES && (state != TCP_CLOSE || is_dead(tp, now_j))) files.now.sockets[state]++;
  add_connection(sk, tp, state, &q, rmem, wmem, now_j);
  if (state == TCP_CLOSE_WAIT || state == TCP_FIN_WAIT2) {
    u32 age_j = now_j - tp->rcv_tstamp; /* the last segment from the peer: at or after the FIN or its ACK */
    if (age_j >= files.old_j) {
      if (state == TCP_CLOSE_WAIT)
        files.now.old_close_wait++;
      else
        files.now.old_fin_wait_2++;
    }
  }
  files.now.recv_q += q.recv_q;
  files.now.send_q += q.send_q;
  files.now.rmem += rmem;
  files.now.wmem += wmem;
  return 0;
}
